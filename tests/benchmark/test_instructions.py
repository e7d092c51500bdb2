import random
from dataclasses import replace

import pytest

from agentworld_dag.benchmark.instructions import INSTRUCTIONS, Instructed, instructed, recorded_id
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.trajectories.schema import Trajectory, Turn
from tests.benchmark.recorded_sessions import HOME, SESSION, played


@pytest.fixture
def session(episode) -> Trajectory:
    return episode(initial_state=HOME, turns=SESSION)


def under(name: str, trajectory: Trajectory, seed: int = 0) -> Instructed | None:
    return INSTRUCTIONS[name](trajectory, random.Random(seed))


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_the_instruction_is_told_and_every_other_turn_and_state_stays(name: str, session: Trajectory) -> None:
    made = under(name, session)
    assert made and made.trajectory.system.simulation_instruction
    assert made.trajectory.id == f"episode-1+{name}"
    assert recorded_id(made.trajectory.id) == "episode-1"
    for index, turn in enumerate(made.trajectory.turns):
        assert turn.state == session.turns[index].state or (name, index) == ("read_only", 2)
        if index not in made.touched:
            assert turn.observation == str(session.turns[index].observation)[:-1] + made.sign
    assert made.trajectory.turns[made.turn_index].observation == made.expected.shown()
    assert made.expected.shown() != session.turns[made.turn_index].observation


def test_a_missing_command_is_missing_at_every_use(session: Trajectory) -> None:
    made = next(m for seed in range(20) if (m := under("not_installed", session, seed)) and "cat" in m.expected.shown())
    answers = [turn.observation for turn in made.trajectory.turns if turn.action == "cat memo"]
    assert answers == ["bash: cat: command not found\n~[127]$"] * 3
    assert len(made.trajectory.turns) == len(session.turns)


def test_a_missing_command_that_would_write_later_cuts_the_session(episode) -> None:
    turns = (Turn("sort memo", "cat\n~$", HOME), SESSION[0], Turn("sort note > memo", "~$", f"{HOME}x"), SESSION[0])
    sort_only = tuple(replace(turn, action="pwd") if turn.action == "ls" else turn for turn in turns)
    made = under("not_installed", episode(initial_state=HOME, turns=sort_only))
    assert made and [turn.action for turn in made.trajectory.turns] == ["sort memo", "pwd"]
    assert under("not_installed", episode(initial_state=HOME, turns=turns[2:3])) is None


def test_a_file_of_roots_cuts_the_session_where_it_is_named_again(session: Trajectory) -> None:
    found = {m.expected.shown(): m for seed in range(20) if (m := under("unreadable", session, seed))}
    assert set(found) == {
        "cat: memo: Permission denied\n~[1]$",
        "wc: note: Permission denied\n~[1]$",
        "wc: docs/list: Permission denied\n~[1]$",
    }
    assert len(found["cat: memo: Permission denied\n~[1]$"].trajectory.turns) == 2
    assert len(found["wc: note: Permission denied\n~[1]$"].trajectory.turns) == 10
    assert len(found["wc: docs/list: Permission denied\n~[1]$"].trajectory.turns) == 9


def test_a_read_only_disk_ends_the_session_at_its_first_write(session: Trajectory) -> None:
    made = under("read_only", session)
    assert made and made.expected.shown() == "bash: memo: Read-only file system\n~[1]$"
    assert len(made.trajectory.turns) == 3
    assert made.trajectory.turns[-1].state == HOME


@pytest.mark.parametrize("action", ["mv memo docs", "touch nowhere/x", "rm -r docs", "mkdir docs", "echo a >"])
def test_a_first_write_that_is_not_known_or_fails_anyway_gives_none(action: str, episode) -> None:
    assert under("read_only", episode(initial_state=HOME, turns=(Turn(action, "~$", HOME), *SESSION))) is None


def test_some_instruction_is_drawn_and_none_where_none_fits(session: Trajectory, episode) -> None:
    names = {found.name for seed in range(40) if (found := instructed(session, random.Random(seed)))}
    assert names == set(INSTRUCTIONS)
    assert instructed(episode(turns=(Turn("python x", "~$", "cwd=~"),)), random.Random(0)) is None


def test_an_id_that_only_looks_like_one_is_left_whole() -> None:
    assert recorded_id("c++") == "c++"


def test_the_words_are_those_of_a_real_shell(terminal: RealTerminal, episode) -> None:
    reads = ["cat memo", "head -n 1 memo", "tail -n 1 memo", "sort memo", "wc -l memo", "grep cat memo"]
    turns = played(terminal, HOME, ["id -u", "chmod 000 memo", *reads, "PATH=/nowhere", "grep cat note"])
    assert turns[-1].observation == "bash: grep: command not found\n~[127]$"
    if turns[0].observation == "0\n~$":
        pytest.skip("root may read everything")
    for turn in turns[2:-2]:
        made = under("unreadable", episode(initial_state=HOME, turns=(replace(turn, state=HOME),)))
        assert made and made.expected.shown() == turn.observation


def test_a_disk_that_is_read_only_says_so_in_the_same_words(terminal: RealTerminal, episode) -> None:
    actions = ["touch /usr/x", "mkdir /usr/x", "echo a > /usr/x"]
    for real, action in zip(played(terminal, HOME, actions), ["touch x", "mkdir x", "echo a > x"], strict=True):
        if "Read-only" not in str(real.observation):
            pytest.skip("nothing is mounted read-only under this isolation")
        made = under("read_only", episode(initial_state=HOME, turns=(Turn(action, "~$", HOME),)))
        assert made and made.expected.shown() == str(real.observation).replace("/usr/x", "x")
