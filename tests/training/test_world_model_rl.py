import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.errors import ConfigError, TrainError
from agentworld_dag.ranks import Ranks
from agentworld_dag.training import world_model_rl
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.judge import DIMENSIONS
from agentworld_dag.training.rewards import FULL_REWARD
from agentworld_dag.training.settings import WorldModelRl
from agentworld_dag.training.world_model_rl import UNSCORED, reward_function
from tests.disturbed import odd_sums
from tests.endpoints.scripted_server import Said, serving
from tests.small_loop import small_preset

GOLD = "<think>\nmemo?\n->\nmemo=red\n</think>\n\nred\n~$"


def settings(**changes: Any) -> WorldModelRl:
    return small_preset().world_model_rl.model_copy(update=changes)


def test_a_judge_in_the_preset_scores_with_the_key_of_the_environment_and_is_paid_for(
    stage, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tokenizer = load_checkpoint(base / "checkpoint")
    monkeypatch.setenv("AGENTWORLD_JUDGE_API_KEY", "sk-1")
    said, logged = Said(json.dumps(dict.fromkeys(DIMENSIONS, 5))), {}
    with serving(lambda _, before: Said(status=400) if before == 0 else said) as server:
        rl = settings(judge_url=server.url, judge_model="judge")
        training = replace(stage("out", {}, world_model_rl=rl), ranks=Ranks(count=2))
        reward = reward_function(tokenizer, training)
        rewards = reward(
            completion_ids=[tokenizer.encode(GOLD)] * 4,
            state_before=["cwd=~\nlist=cat"] * 4,
            action=["echo red > memo"] * 4,
            state_patch=["memo=red"] * 4,
            observation=["red\n~$"] * 4,
            log_metric=logged.__setitem__,
        )
    assert rewards == [FULL_REWARD] * 4
    assert logged == {UNSCORED: 0.25}
    assert server.keys == ["Bearer sk-1"] * 4
    assert {request["model"] for request in server.asked} == {"judge"}
    training.meter.record()
    used = training.meter.total()
    answered, processes = 3, 2
    assert (used.prompt_tokens, used.completion_tokens) == (3 * answered * processes, 2 * answered * processes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"judge_url": "http://localhost/v1", "judge_model": None}, "judge_model is not"),
        ({"judge_url": "localhost:8000", "judge_model": "judge"}, "expected a base address like"),
    ],
)
def test_half_a_judge_is_refused_before_any_training(
    stage, base: Path, changes: dict[str, str | None], told: str
) -> None:
    _, tokenizer = load_checkpoint(base / "checkpoint")
    with pytest.raises(ConfigError, match=told):
        reward_function(tokenizer, stage("out", {}, world_model_rl=settings(**changes)))


def test_a_kill_in_a_later_epoch_changes_no_weight(
    stage, base: Path, splits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_model_rl, "reward_function", lambda *_: odd_sums)
    rl = settings(steps=9, save_every_steps=7, group_size=4, passes_per_step=2)
    assert rl.prompts_per_step * 7 > 12, "the checkpoint is of the second epoch of twelve prompts"
    running = stage("out", {"world_model_sft": base, "trajectory_splits": splits}, world_model_rl=rl)
    weights = running.out / "checkpoint" / "model.safetensors"
    whole = world_model_rl.work(running)
    ended = weights.read_bytes()
    assert ended != (base / "checkpoint" / "model.safetensors").read_bytes()
    shutil.rmtree(running.out / "checkpoint")
    assert world_model_rl.work(running)["rewards"] == whole["rewards"]
    assert weights.read_bytes() == ended


def test_too_few_prompts_for_a_step_are_refused(stage, base: Path, splits: Path) -> None:
    running = stage(
        "out", {"world_model_sft": base, "trajectory_splits": splits}, world_model_rl=settings(prompts_per_step=13)
    )
    with pytest.raises(TrainError, match="found samples for none of"):
        world_model_rl.work(running)
    assert not (running.out / "checkpoint").exists()


def test_answers_are_used_up_at_the_end_of_each_step(stage) -> None:
    """A checkpoint holds none, and could not be resumed from in between."""
    arguments = world_model_rl._arguments(stage("out", {}), settings())
    assert arguments.steps_per_generation
    assert arguments.steps_per_generation * arguments.num_iterations == arguments.gradient_accumulation_steps
