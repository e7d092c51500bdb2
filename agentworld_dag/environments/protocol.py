"""The one environment protocol: a real shell and its simulator both speak it.

An evaluation or an agent trainer is handed an `Environment` and cannot tell
which one it holds. Methods are coroutines so that many episodes can wait for
one batched simulator at once; a real shell simply answers. One instance is
one episode at a time: `reset` starts a new one.
"""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Task:
    """One seeded task instance; plain JSON-able data, so it can sit in a dataset row."""

    id: str
    kind: str
    instruction: str
    """What the agent is asked to do, in words."""
    initial_state: str
    """State text (`trajectories.patch`) the episode starts from."""
    goal_state: str
    """State text the episode must end in, but for the keys in `free_keys`."""
    free_keys: tuple[str, ...] = field(default=())


class Environment(Protocol):
    """One episode in a real or simulated environment."""

    @property
    def name(self) -> str: ...

    @property
    def action_space(self) -> str:
        """What an actor may send, in words."""
        ...

    async def reset(self, initial_state: str, seed: int) -> str:
        """Start an episode in `initial_state`; returns the first observation."""
        ...

    async def step(self, action: str) -> str:
        """Send one action, return the observation. Raises SandboxError or SimulatorError when the episode is dead."""
        ...

    async def state(self) -> str:
        """The environment's own state text: true for a real one, believed for a simulated one."""
        ...

    async def close(self) -> None:
        """End the episode and free what it held; safe to call twice."""
        ...


def goal_reached(task: Task, state: str) -> bool:
    """Whether `state` is the task's goal state, free keys aside."""
    return _without(state, task.free_keys) == _without(task.goal_state, task.free_keys)


def _without(state: str, keys: tuple[str, ...]) -> list[str]:
    return sorted(line for line in state.split("\n") if line.partition("=")[0] not in keys)
