"""Stage `agent_demonstrations`: few noisy expert episodes in the real shell, for imitation.

The instances come from a namespace of their own, so neither the world model's
data nor any evaluation holds one. The noise stays in: an agent that starts
perfect has nothing left to learn by practice.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from agentworld_dag.config import Preset
from agentworld_dag.environments.experts import Expert
from agentworld_dag.environments.tasks import make_task, seed_of
from agentworld_dag.environments.terminal import RealTerminal, real_terminal
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.recorder import Episode, record
from agentworld_dag.trajectories.schema import Trajectory


def work(stage: Stage) -> dict[str, Any]:
    demonstrations = asyncio.run(demonstrate(stage.preset, stage.seed))
    write_trajectories(stage.out / "demonstrations.parquet", demonstrations)
    return summarize(demonstrations)


def summarize(demonstrations: Sequence[Trajectory]) -> dict[str, Any]:
    outcomes = Counter(t.outcome for t in demonstrations)
    return {
        "episodes": len(demonstrations),
        "real_steps": sum(len(t.turns) for t in demonstrations),
        "success_share": outcomes["success"] / len(demonstrations),
        "by_outcome": dict(outcomes),
    }


async def demonstrate(preset: Preset, seed: int) -> list[Trajectory]:
    """The demonstrations of a seed: balanced over kinds, another seed shows other instances."""
    count = preset.agent.demonstrations
    environment = real_terminal(preset.collection)
    indices = range(seed * count, (seed + 1) * count)
    try:
        return [await _demonstration(environment, preset, index) for index in indices]
    finally:
        await environment.close()


async def _demonstration(environment: RealTerminal, preset: Preset, index: int) -> Trajectory:
    task = make_task("demonstration", index)
    seed = seed_of("demonstration", index)
    episode = Episode(task.id, seed, task.initial_state, preset.agent.max_turns, task)
    return await record(environment, episode, Expert(task, random.Random(seed), preset.agent.demonstration_noise))


if __name__ == "__main__":
    run_stage(work)
