import random
from collections import Counter

from agentworld_dag.environments.explorers import Explorer, random_command

STATE = "cwd=~/docs\ndocs/=\ndocs/list=red/blue\ndocs/sub/=\nmemo=cat\nsrc/="
FORBIDDEN = {"ps", "date", "sleep", "find", "stat", "bash", "env", "yes", "chmod", "ln"}


def commands(state: str, count: int = 4000) -> list[str]:
    rng = random.Random(0)
    return [random_command(state, rng) for _ in range(count)]


def test_a_seed_gives_the_same_commands() -> None:
    assert commands(STATE, 50) == commands(STATE, 50)


def test_the_commands_of_the_tasks_are_all_drawn() -> None:
    drawn = {command.split()[0] for command in commands(STATE) if command}
    assert {
        "ls",
        "cat",
        "cd",
        "mkdir",
        "rmdir",
        "touch",
        "rm",
        "mv",
        "cp",
        "echo",
        "wc",
        "head",
        "grep",
        "sort",
    } <= drawn
    assert not drawn & FORBIDDEN
    assert not [command for command in commands(STATE) if "|" in command or command.startswith("ls -l")]


def test_arguments_mostly_exist() -> None:
    read = [
        command.split()[1] for command in commands(STATE) if command.startswith("cat ") and len(command.split()) == 2
    ]
    shares = Counter(read)
    assert (shares["list"] + shares["../memo"]) / len(read) > 0.7


def test_some_are_malformed_and_some_empty() -> None:
    drawn = Counter(commands(STATE))
    assert drawn[""] > 0
    assert drawn["grep"] + drawn["cp"] + drawn["mv"] > 0


def test_no_folder_is_made_below_the_second_level() -> None:
    assert not [c for c in commands("cwd=~/docs/sub\ndocs/=\ndocs/sub/=") if c.startswith("mkdir ") and c != "mkdir"]


def test_an_empty_home_and_a_lost_one_are_explored_too() -> None:
    assert len(set(commands("cwd=~"))) > 100
    assert len(set(commands("cwd=/usr/bin\nmemo=red"))) > 100


def test_the_actor_is_the_same_policy() -> None:
    assert Explorer(random.Random(1)).act(STATE) == random_command(STATE, random.Random(1))
