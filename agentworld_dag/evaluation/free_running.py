"""Recorded actions sent to the simulator, which is fed its own observations and its own state.

Episodes run side by side, so that those that wait for an answer share a batch.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from agentworld_dag.config import Preset
from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.errors import SimulatorError
from agentworld_dag.simulator.simulated import Settings, SimulatedEnvironment
from agentworld_dag.simulator.teacher_forced import Mode
from agentworld_dag.trajectories.schema import SystemPrompt, Trajectory


@dataclass(frozen=True)
class Answered:
    """What the simulator said to one action, and what it believes then; both None once the episode is dead."""

    observation: str | None
    state: str | None


def settings(preset: Preset, mode: Mode, temperature: float, system: SystemPrompt) -> Settings:
    """How a simulator of this preset answers in episodes of `system`; the initial state is each episode's own."""
    return Settings(
        mode,
        temperature,
        preset.simulator.max_new_tokens,
        preset.model.template,
        SystemPrompt(system.task_description, system.action_space),
        FIRST_OBSERVATION,
    )


def free_run(slots: Sequence[tuple[SimulatedEnvironment, Trajectory]]) -> list[list[Answered]]:
    """The answers to every action of each episode, in the order of `slots`."""

    async def run_all() -> list[list[Answered]]:
        return await asyncio.gather(*(_run(environment, episode) for environment, episode in slots))

    return asyncio.run(run_all())


async def _run(environment: SimulatedEnvironment, episode: Trajectory) -> list[Answered]:
    """After an unusable answer the episode is dead, and so is every later turn."""
    await environment.reset(episode.system.initial_state, seed=0)
    answers: list[Answered] = []
    for turn in episode.turns:
        try:
            answers.append(Answered(await environment.step(turn.action), await environment.state()))
        except SimulatorError:
            break
    return answers + [Answered(None, None)] * (len(episode.turns) - len(answers))
