import shutil
from pathlib import Path

from agentworld_dag.agents import imitation
from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.stage import Stage
from agentworld_dag.trajectories.parquet import read_trajectories, write_trajectories
from tests.agents.conftest import small_agent
from tests.small_loop import new_stage


def weights(out: Path) -> bytes:
    return (out / "checkpoint" / "model.safetensors").read_bytes()


def run(agent_stage, name: str, base: Path, demonstrated: Path) -> Stage:
    running = agent_stage(name, {"start": base, "agent_demonstrations": demonstrated}, {})
    imitation.work(running)
    return running


def test_only_demonstrations_that_reached_their_goal_are_imitated(demonstrated: Path, tmp_path: Path) -> None:
    recorded = read_trajectories(demonstrated / "demonstrations.parquet")
    write_trajectories(tmp_path / "demonstrations.parquet", recorded)
    kept = imitation.demonstrations(tmp_path)
    assert {t.outcome for t in kept} == {"success"} and 0 < len(kept) <= len(recorded)


def test_noise_in_a_demonstration_stays(demonstrated: Path, encoder: AgentEncoder) -> None:
    for trajectory in imitation.demonstrations(demonstrated):
        said = encoder.tokenizer.decode([x for x in imitation.sample(encoder, trajectory).labels if x >= 0])
        assert said.count("<tool_call>") == len(trajectory.turns)


def test_a_killed_imitation_ends_with_the_weights_of_an_uninterrupted_one(
    agent_stage, base: Path, demonstrated: Path
) -> None:
    whole = run(agent_stage, "whole", base, demonstrated)
    killed = run(agent_stage, "killed", base, demonstrated)
    shutil.rmtree(killed.out / "checkpoint")  # as a kill after the checkpoint of step 2 leaves it
    assert weights(run(agent_stage, "killed", base, demonstrated).out) == weights(whole.out)


def test_a_kill_in_a_later_epoch_changes_no_weight_either(base: Path, demonstrated: Path, tmp_path: Path) -> None:
    settings = small_agent().imitation.model_copy(update={"steps": 11, "save_every_steps": 8, "tokens_per_step": 64})
    inputs = {"start": base, "agent_demonstrations": demonstrated}
    outs = []
    for name in ("whole", "killed", "killed"):
        out = tmp_path / name
        if out.is_dir():
            shutil.rmtree(out / "checkpoint")
        imitation.work(new_stage(out, inputs, agent=small_agent(imitation=settings)))
        outs.append(out)
    assert weights(outs[0]) == weights(outs[2])
