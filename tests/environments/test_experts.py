import asyncio
import random

import pytest

from agentworld_dag.environments.experts import Expert
from agentworld_dag.environments.protocol import Task, goal_reached
from agentworld_dag.environments.tasks import KINDS, make_task
from agentworld_dag.environments.terminal import RealTerminal


async def solve(terminal: RealTerminal, task: Task, noise: float, max_turns: int) -> list[str]:
    """The actions up to the goal; empty when it was not reached."""
    expert, actions = Expert(task, random.Random(task.id), noise), []
    await terminal.reset(task.initial_state, 0)
    while len(actions) < max_turns:
        actions.append(expert.act(await terminal.state()))
        expert.observe(actions[-1], await terminal.step(actions[-1]))
        if goal_reached(task, await terminal.state()):
            return actions
    return []


@pytest.fixture
def terminal() -> RealTerminal:
    return RealTerminal(10.0, 400)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_solved_in_the_real_shell(terminal: RealTerminal, kind: str) -> None:
    async def all_of_them() -> None:
        for index in range(8):
            task = make_task("validation", index, kind)
            assert 1 <= len(await solve(terminal, task, 0.0, 3)) <= 3, task
        await terminal.close()

    asyncio.run(all_of_them())


def test_most_are_solved_through_noise(terminal: RealTerminal) -> None:
    async def solved() -> int:
        tasks = [make_task("validation", index) for index in range(48)]
        done = [await solve(terminal, task, 0.3, 10) for task in tasks]
        await terminal.close()
        return sum(map(bool, done))

    assert 30 <= asyncio.run(solved()) < 48


def test_it_goes_home_before_it_goes_on() -> None:
    expert = Expert(make_task("train", 0, "write"), random.Random(0), 0.0)
    wanted = expert.act("cwd=~")
    expert.observe("cd docs", "~/docs$")
    assert expert.act("cwd=~/docs") == "cd"
    expert.observe("cd", "~$")
    assert expert.act("cwd=~") == wanted


def test_it_acts_on_what_it_sees_and_not_on_the_state() -> None:
    expert = Expert(make_task("train", 0, "purge"), random.Random(0), 0.0)
    look = expert.act("cwd=~")
    expert.observe(look, "docs/shown\n~$")
    assert expert.act("cwd=~") == "rm docs/shown"


def test_a_failed_look_is_looked_again() -> None:
    expert = Expert(make_task("train", 0, "count"), random.Random(0), 0.0)
    look = expert.act("cwd=~")
    expert.observe(look, "wc: memo: No such file or directory\n~[1]$")
    assert look in {expert.act("cwd=~") for _ in range(20)}
