"""Imitation: an agent from few demonstrations, out of any start.

    python -m agentworld_dag.agents.imitation --config infra/presets/tiny.yaml --seed 0 \
        --input start=DIR --input agent_demonstrations=DIR --out DIR

The same script makes the base agent, the warm-up arm and the from-scratch arm:
they differ in the start and nowhere else, so demonstrations, their order and
the number of updates are equal (paper section 7).
"""

import json
from pathlib import Path
from typing import Any

from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.supervised import Sample, train
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.schema import Trajectory


def work(stage: Stage) -> dict[str, Any]:
    model, tokenizer = load_checkpoint(stage.inputs["start"] / "checkpoint")
    shown = demonstrations(stage.inputs["agent_demonstrations"])
    encoder = AgentEncoder(tokenizer)
    samples = [sample(encoder, trajectory) for trajectory in shown]
    metrics = train(stage, stage.preset.agent.imitation, model, tokenizer, samples)
    return {**metrics, "demonstrations": len(shown)}


def demonstrations(folder: Path) -> list[Trajectory]:
    """The episodes worth imitating: those that reached their goal. Their noise stays in."""
    recorded = read_trajectories(folder / "demonstrations.parquet")
    return [trajectory for trajectory in recorded if trajectory.outcome == "success"]


def sample(encoder: AgentEncoder, trajectory: Trajectory) -> Sample:
    """The episode as a conversation, with loss on what the agent says."""
    turns = [(turn.action, turn.observation or "") for turn in trajectory.turns]
    return encoder.demonstration(json.loads(trajectory.task)["instruction"], turns)


if __name__ == "__main__":
    run_stage(work)
