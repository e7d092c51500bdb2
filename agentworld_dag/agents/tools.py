"""The agent's one tool over any environment, as TRL's `environment_factory` wants it.

A rollout owns one `ShellTool`. It cannot tell a real shell from a simulated
one. TRL offers every public method but `reset` to the model as a tool, so
`bash` is the only one. Whether the task was solved is `rollout.outcome`'s to say.
"""

import json
from typing import Any

from agentworld_dag.environments.protocol import Environment, Task
from agentworld_dag.errors import SandboxError, SimulatorError

OUT_OF_TURNS = "no turns left"


class ShellTool:
    """One rollout at a time: what was sent, what came back, and why it failed if it did."""

    def __init__(self, environment: Environment, max_turns: int) -> None:
        self.environment = environment
        self._max_turns = max_turns

    def reset(self, **row: Any) -> None:
        """Take the task of a dataset row. The environment starts with the first command: TRL resets synchronously."""
        self.task = read_task(row["task"])
        self._seed = int(row["seed"])
        self.started = False
        self.actions: list[str] = []
        self.observations: list[str] = []
        self.invalid_messages = 0
        """Messages that could not be carried out (`encoder.Speech`)."""
        self.failure = ""
        """Why the environment died; empty while it lives."""
        self.outgrown = False
        """The conversation ended because it no longer fitted the policy's context."""

    @property
    def over(self) -> bool:
        """Whether no further command can be sent."""
        return bool(self.failure) or len(self.actions) >= self._max_turns

    async def bash(self, command: str) -> str:
        """Run a command.

        Args:
            command: The command.
        """
        if self.over:
            return OUT_OF_TURNS
        self.actions.append(command)
        self.observations.append(await self._answer(command))
        return self.observations[-1]

    async def _answer(self, command: str) -> str:
        try:
            if not self.started:
                await self.environment.reset(self.task.initial_state, self._seed)
                self.started = True
            return await self.environment.step(command)
        except (SandboxError, SimulatorError) as error:
            self.failure = str(error)
            return ""


def task_row(task: Task, seed: int) -> dict[str, Any]:
    """What `ShellTool.reset` reads, as dataset columns; `seed` is the environment's."""
    return {"task": json.dumps(vars(task)), "seed": seed}


def read_task(text: str) -> Task:
    """The inverse of the `task` column."""
    facts = json.loads(text)
    return Task(**{**facts, "free_keys": tuple(facts["free_keys"])})
