"""Plays one episode in an environment and records it as a trajectory.

A session that hangs or dies ends its episode and is recorded with the action
it died of, unanswered: the caller gets a trajectory either way. What to play
and where to keep it is the caller's choice.
"""

import functools
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Protocol

from agentworld_dag.code_version import code_version
from agentworld_dag.environments import terminal
from agentworld_dag.environments.bash_session import ActionTimeout
from agentworld_dag.environments.consulted import consulted
from agentworld_dag.environments.protocol import Task, goal_reached
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.errors import SandboxError
from agentworld_dag.trajectories.schema import Outcome, Provenance, SystemPrompt, Trajectory, Turn


class Actor(Protocol):
    """Whoever types the commands."""

    policy: str

    def act(self, state: str) -> str: ...

    def observe(self, action: str, observation: str) -> None: ...


@dataclass(frozen=True)
class Episode:
    """What is to be played."""

    id: str
    seed: int
    initial_state: str
    max_turns: int
    task: Task | None = None
    """The episode ends when its goal is reached; None explores for `max_turns`."""


async def record(environment: RealTerminal, episode: Episode, actor: Actor) -> Trajectory:
    """Play the episode to its end, goal or death."""
    turns: list[Turn] = []
    outcome, failure = "no_goal", ""
    try:
        outcome = await _play(environment, episode, actor, turns)
    except ActionTimeout as error:
        outcome, failure = "timed_out", str(error)
    except SandboxError as error:
        outcome, failure = "died", str(error)
    return _trajectory(environment, episode, actor.policy, turns, outcome, failure)


async def _play(environment: RealTerminal, episode: Episode, actor: Actor, turns: list[Turn]) -> Outcome:
    await environment.reset(episode.initial_state, episode.seed)
    state = await environment.state()
    while len(turns) < episode.max_turns:
        action = actor.act(state)
        turns.append(Turn(action, None))
        observation = await environment.step(action)
        turns[-1] = Turn(action, observation)
        facts, state = consulted(action, state), await environment.state()
        turns[-1] = Turn(action, observation, state, facts)
        if episode.task is not None and goal_reached(episode.task, state):
            return "success"
        actor.observe(action, observation)
    return "no_goal" if episode.task is None else "failure"


def _trajectory(
    environment: RealTerminal, episode: Episode, policy: str, turns: list[Turn], outcome: Outcome, failure: str
) -> Trajectory:
    return Trajectory(
        id=episode.id,
        domain="terminal",
        kind="exploratory" if episode.task is None else "task",
        system=SystemPrompt(terminal.TASK_DESCRIPTION, terminal.ACTION_SPACE, episode.initial_state),
        turns=tuple(turns),
        outcome=outcome,
        provenance=_provenance(environment, policy, episode.seed),
        task="" if episode.task is None else json.dumps(asdict(episode.task)),
        failure=failure,
    )


def _provenance(environment: RealTerminal, policy: str, seed: int) -> Provenance:
    return Provenance(
        environment=environment.name,
        environment_version=environment.version,
        sandbox=environment.sandbox,
        policy=policy,
        seed=seed,
        recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_version=_code_version(),
    )


@functools.cache
def _code_version() -> str:
    return code_version(__name__)
