import asyncio
import itertools
import json
import random

import pytest

from agentworld_dag.environments.experts import Expert
from agentworld_dag.environments.explorers import Explorer
from agentworld_dag.environments.tasks import make_task
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.trajectories.patch import apply, diff
from agentworld_dag.trajectories.recorder import Actor, Episode, record
from agentworld_dag.trajectories.schema import Trajectory

HOME = "cwd=~\nmemo=cat"


class Script:
    """Types a fixed list of commands."""

    policy = "script"

    def __init__(self, *commands: str):
        self._commands = iter(commands)

    def act(self, state: str) -> str:
        return next(self._commands)

    def observe(self, action: str, observation: str) -> None:
        pass


def played(episode: Episode, actor: Actor, timeout_s: float = 5.0, image: str = "plain") -> Trajectory:
    async def play() -> Trajectory:
        terminal = RealTerminal(timeout_s, 400, image)
        try:
            return await record(terminal, episode, actor)
        finally:
            await terminal.close()

    return asyncio.run(play())


def test_an_exploration_is_recorded_turn_by_turn() -> None:
    trajectory = played(Episode("e", 1, HOME, 2), Script("ls", "rm memo", "never"))
    assert [(t.action, t.observation, t.state) for t in trajectory.turns] == [
        ("ls", "memo\n~$", "cwd=~\nmemo=cat"),
        ("rm memo", "~$", "cwd=~"),
    ]
    assert (trajectory.outcome, trajectory.kind, trajectory.task, trajectory.failure) == (
        "no_goal", "exploratory", "", "",
    )  # fmt: skip
    assert trajectory.system.initial_state == HOME
    assert trajectory.provenance.sandbox in ("bwrap", "landlock")
    assert trajectory.provenance.policy == "script"


@pytest.mark.parametrize("image, version", [("plain", "1"), ("talkative", "1+talkative")])
def test_what_answered_is_recorded(image: str, version: str) -> None:
    trajectory = played(Episode("e", 1, HOME, 1), Script("ls"), image=image)
    assert trajectory.provenance.environment_version == version


def test_a_task_ends_at_its_goal() -> None:
    task = make_task("train", 0)
    trajectory = played(Episode("t", 1, task.initial_state, 5, task), Expert(task, random.Random(0), 0.0))
    assert (trajectory.outcome, trajectory.kind, len(trajectory.turns)) == ("success", "task", 1)
    assert json.loads(trajectory.task)["goal_state"] == task.goal_state


def test_a_task_short_of_its_goal_is_a_failure() -> None:
    task = make_task("train", 0)
    trajectory = played(Episode("t", 1, task.initial_state, 2, task), Script("pwd", "pwd"))
    assert (trajectory.outcome, len(trajectory.turns)) == ("failure", 2)


@pytest.mark.parametrize(
    "command, outcome, reason",
    [
        ("sleep 60", "timed_out", "no answer to 'sleep 60'"),
        ("exit", "died", "ended on 'exit'"),
        ("kill -9 $$", "died", ""),
    ],
)
def test_a_lost_session_is_recorded_with_the_action_it_died_of(command: str, outcome: str, reason: str) -> None:
    trajectory = played(Episode("e", 1, HOME, 5), Script("ls", command, "never"), timeout_s=0.5)
    assert trajectory.outcome == outcome
    assert [(t.action, t.observation) for t in trajectory.turns] == [("ls", "memo\n~$"), (command, None)]
    assert reason in trajectory.failure


def test_states_differ_by_patches_that_apply() -> None:
    trajectory = played(Episode("e", 1, make_task("train", 3).initial_state, 40), Explorer(random.Random(5)))
    states = [trajectory.system.initial_state] + [turn.state or "" for turn in trajectory.turns]
    assert len(states) == 41
    for before, after in itertools.pairwise(states):
        assert apply(before, diff(before, after)) == after


def test_the_same_episode_is_recorded_the_same() -> None:
    first, again = (
        played(Episode("e", 1, HOME, 25), Explorer(random.Random(5))) for _ in range(2)
    )  # fmt: skip
    assert first.turns == again.turns
