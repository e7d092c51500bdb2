import itertools
import random
from collections import Counter

import pytest

from agentworld_dag.environments.file_system import setup_command
from agentworld_dag.environments.protocol import goal_reached
from agentworld_dag.environments.tasks import KINDS, NAMES, NAMESPACES, WORDS, draw_files, make_task, namespace_of
from agentworld_dag.errors import ConfigError
from agentworld_dag.trajectories.patch import parse_state

COUNT = 600


@pytest.fixture(scope="module")
def instances() -> dict[str, list]:
    return {namespace: [make_task(namespace, index) for index in range(COUNT)] for namespace in NAMESPACES}


def test_there_are_many_kinds() -> None:
    assert len(KINDS) >= 10


def test_instances_are_deterministic() -> None:
    assert make_task("train", 17) == make_task("train", 17)
    assert make_task("train", 17) != make_task("train", 17 + len(KINDS))


def test_kinds_are_balanced_in_any_window() -> None:
    kinds = Counter(make_task("evaluation", index).kind for index in range(5, 5 + 3 * len(KINDS)))
    assert set(kinds.values()) == {3}


def test_a_kind_can_be_asked_for() -> None:
    assert make_task("train", 0, "purge").kind == "purge"


def test_namespaces_share_no_instance_and_no_id(instances: dict[str, list]) -> None:
    shown = {name: {(t.initial_state, t.instruction) for t in tasks} for name, tasks in instances.items()}
    for left, right in itertools.combinations(shown, 2):
        assert not shown[left] & shown[right]
    ids = [task.id for tasks in instances.values() for task in tasks]
    assert len(set(ids)) == len(ids)


def test_the_namespace_is_read_off_the_instance(instances: dict[str, list]) -> None:
    assert all(namespace_of(task) == name for name, tasks in instances.items() for task in tasks)


def test_no_task_is_solved_before_it_starts(instances: dict[str, list]) -> None:
    unsolved = [not goal_reached(task, task.initial_state) for tasks in instances.values() for task in tasks]
    assert all(unsolved)


def test_goals_ignore_the_working_directory() -> None:
    task = make_task("train", 0)
    assert goal_reached(task, task.goal_state.replace("cwd=~", "cwd=~/docs"))


def test_states_can_be_made_and_instructions_are_plain(instances: dict[str, list]) -> None:
    for task in instances["train"]:
        assert setup_command(task.initial_state)
        assert task.instruction.replace(" ", "").replace("/", "").isalpha()
        assert len(task.instruction) < 60
        assert 3 <= len([key for key in parse_state(task.initial_state) if key != "cwd" and key[-1] != "/"]) <= 4


def test_a_word_is_found_in_one_file_only() -> None:
    rng = random.Random(0)
    for _ in range(200):
        words = [word for value in draw_files(rng).values() for word in value.replace("/", " ").split()]
        assert len(set(words)) == len(words)
    assert not [(a, b) for a in WORDS + NAMES for b in WORDS if a != b and a in b]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="namespaces: train"):
        make_task("test", 0)
    with pytest.raises(ConfigError, match="kinds: write"):
        make_task("train", 0, "juggle")
