"""Many episodes of a policy at once, in any environment.

Episodes go in step: all that are to speak are generated in one batch, then all
their commands are under way together, so a simulator answers them in one batch
too. Practice (`trainer`) and evaluation (`run_policy`) both go through
`converse`, so limits, parsing and tokens cannot differ between them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agentworld_dag.agents.encoder import AgentEncoder, Speech
from agentworld_dag.agents.settings import Agent
from agentworld_dag.agents.tools import ShellTool, task_row
from agentworld_dag.environments.protocol import Environment, Task, goal_reached
from agentworld_dag.environments.tasks import seed_of
from agentworld_dag.errors import SandboxError, SimulatorError
from agentworld_dag.simulator.window import Window
from agentworld_dag.trajectories.agent_chat import Message, observation_message

EPISODES_AT_ONCE = 128
"""Bounds the sandboxes that live at the same time."""

Gather = Callable[[Sequence[Coroutine[Any, Any, Any]]], list[Any]]
"""Runs coroutines together to their end and returns their results in order."""


class Writer(Protocol):
    """What of an `Engine` a policy needs to speak."""

    window: Window

    def seed(self, seed: int) -> None: ...

    def generate_batch(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        """Completions in the order of `prompts`, without the end token."""
        ...


@dataclass(frozen=True)
class Policy:
    """A checkpoint that speaks, and how long it may."""

    engine: Writer
    encoder: AgentEncoder
    agent: Agent
    temperature: float
    """0 is greedy."""

    @property
    def max_context(self) -> int:
        """The longest context that leaves room for a whole message."""
        return self.engine.window.room(self.agent.max_new_tokens)

    def generate(self, contexts: list[list[int]]) -> list[list[int]]:
        """What is said next in each context, with the end token where the policy stopped by itself."""
        said = self.engine.generate_batch(contexts, self.agent.max_new_tokens, self.temperature)
        # The engine leaves the end token out.
        return [ids if len(ids) == self.agent.max_new_tokens else [*ids, self.encoder.end] for ids in said]


@dataclass(frozen=True)
class Rollout:
    """A finished episode."""

    task: Task
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    success: bool
    """The goal holds on the environment's own state; never when the episode failed."""
    failure: str
    """Why the environment died, empty if it did not."""
    invalid_messages: int
    """Messages of the policy that could not be carried out."""
    outgrown: bool = False
    """It ended because the conversation no longer fitted the policy's context: what was done until then counts."""


@dataclass
class Episode:
    """A conversation in progress, as ids and as messages."""

    tool: ShellTool
    prompt_ids: list[int]
    completion_ids: list[int] = field(default_factory=list)
    spoken: list[int] = field(default_factory=list)
    """Per completion id: 1 where the policy wrote it, 0 where the environment did."""
    messages: list[Message] = field(default_factory=list)
    commands: tuple[str, ...] = ()
    """Asked for and not yet run."""

    @property
    def context(self) -> list[int]:
        return self.prompt_ids + self.completion_ids

    def speak(self, ids: list[int], speech: Speech) -> None:
        """The policy says something."""
        self._extend(ids, [speech.message], spoken=1)
        self.commands = speech.commands
        self.tool.invalid_messages += speech.invalid

    def hear(self, ids: list[int], messages: list[Message]) -> None:
        """The environment answers, and the policy is to speak again."""
        self._extend(ids, messages, spoken=0)

    def _extend(self, ids: list[int], messages: list[Message], spoken: int) -> None:
        self.completion_ids += ids
        self.spoken += [spoken] * len(ids)
        self.messages += messages


def converse(episodes: list[Episode], policy: Policy, gather: Gather) -> None:
    """Play episodes in which the policy has spoken once to their end."""
    while acting := [episode for episode in episodes if episode.commands]:
        heard = gather([_run_commands(episode) for episode in acting])
        speaking = []
        for episode, messages in zip(acting, heard, strict=True):
            ids = policy.encoder.answer(messages)
            fits = len(episode.context) + len(ids) <= policy.max_context
            episode.tool.outgrown = not episode.tool.over and not fits
            if not episode.tool.over and fits:
                episode.hear(ids, messages)
                speaking.append(episode)
        say(speaking, policy)


def say(episodes: list[Episode], policy: Policy) -> None:
    """Let the policy say one message in each episode."""
    spoken = policy.generate([episode.context for episode in episodes]) if episodes else []
    for episode, ids in zip(episodes, spoken, strict=True):
        episode.speak(ids, policy.encoder.speech(ids))


async def _run_commands(episode: Episode) -> list[Message]:
    commands, episode.commands = episode.commands, ()
    return [observation_message(await episode.tool.bash(command)) for command in commands]


async def outcome(tool: ShellTool) -> Rollout:
    """How the tool's episode stands now. A dead environment is a failed rollout, not an error."""
    success = False
    try:
        state = await tool.environment.state() if tool.started else tool.task.initial_state
        success = not tool.failure and goal_reached(tool.task, state)
    except (SandboxError, SimulatorError) as error:
        tool.failure = tool.failure or str(error)
    return Rollout(
        tool.task,
        tuple(tool.actions),
        tuple(tool.observations),
        success,
        tool.failure,
        tool.invalid_messages,
        tool.outgrown,
    )


def run_policy(
    policy: Policy, make_environment: Callable[[], Environment], tasks: Sequence[Task], seed: int
) -> list[Rollout]:
    """One rollout per task, in order; equal seeds give equal rollouts where the environment does."""
    policy.engine.seed(seed)
    tools = [ShellTool(make_environment(), policy.agent.max_turns) for _ in tasks[:EPISODES_AT_ONCE]]
    rollouts: list[Rollout] = []
    with asyncio.Runner() as runner:

        def gather(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
            return runner.run(gathered(coroutines))

        try:
            for start in range(0, len(tasks), EPISODES_AT_ONCE):
                rollouts += _play(tools, tasks[start : start + EPISODES_AT_ONCE], policy, gather, seed)
        finally:
            gather([tool.environment.close() for tool in tools])
    return rollouts


async def gathered(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """`asyncio.gather` as one coroutine, so that a loop in any thread can be asked to run it."""
    return list(await asyncio.gather(*coroutines))


def _play(tools: list[ShellTool], tasks: Sequence[Task], policy: Policy, gather: Gather, seed: int) -> list[Rollout]:
    busy = tools[: len(tasks)]
    for tool, task in zip(busy, tasks, strict=True):
        tool.reset(**task_row(task, seed_of(seed, task.id)))
    episodes = [Episode(tool, policy.encoder.prompt(tool.task.instruction)) for tool in busy]
    say(episodes, policy)
    converse(episodes, policy, gather)
    return gather([outcome(tool) for tool in busy])
