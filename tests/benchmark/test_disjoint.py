import json
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag.benchmark.check_generation import CheckSuite, build_checks
from agentworld_dag.benchmark.disjoint import seen_in_training
from agentworld_dag.trajectories.outlines import outline
from agentworld_dag.trajectories.pools import Pools, overlap
from agentworld_dag.trajectories.schema import Trajectory, Turn
from tests.benchmark.recorded_sessions import HOME, SESSION

TASK = json.dumps({"id": "evaluation-1", "instruction": "delete memo", "initial_state": HOME})
NOWHERE = Path("nowhere")
NONE = {"id": 0, "session": 0, "task": 0, "any": 0}


@pytest.fixture
def held_out(episode) -> Trajectory:
    return episode(id="held", initial_state=HOME, turns=SESSION, task=TASK)


@pytest.fixture
def suite(held_out: Trajectory) -> CheckSuite:
    return build_checks([held_out], seed=1)


def seen(suite: CheckSuite, *training: Trajectory) -> dict[str, int]:
    return seen_in_training(suite.checks, suite.trajectories, training)


def test_other_sessions_are_disjoint(suite: CheckSuite, held_out: Trajectory) -> None:
    other = replace(held_out, id="other", task="", turns=(Turn("pwd", "/home/agent\n~$", HOME), *SESSION))
    shorter = replace(held_out, id="shorter", task="", turns=SESSION[:2])
    elsewhere = replace(held_out, id="elsewhere", task="", system=replace(held_out.system, initial_state="cwd=~"))
    assert seen(suite) == seen(suite, other, shorter, elsewhere) == NONE


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("id", {"task": "", "turns": (Turn("pwd", "/home/agent\n~$", HOME),)}),
        ("session", {"id": "other", "task": ""}),
        ("task", {"id": "other", "task": TASK.replace("evaluation-1", "train-7"), "turns": ()}),
    ],
)
def test_a_shared_key_counts_every_check_of_the_session_and_its_copies(
    suite: CheckSuite, held_out: Trajectory, key: str, changes: dict
) -> None:
    training = replace(held_out, **changes)
    count = len(suite.checks)
    assert {check.id for check in suite.checks} > {"held"}
    assert seen(suite, training) == NONE | {key: count, "any": count}
    pools: Pools = {"held_out": [outline(held_out, NOWHERE)], "sft": [outline(training, NOWHERE)]}
    assert overlap(pools) == {"id": 0, "session": 0, "task": 0} | {key: 1}


def test_a_session_that_was_cut_is_known_by_its_beginning(held_out: Trajectory) -> None:
    suites = (build_checks([held_out], seed) for seed in range(20))
    suite = next(s for s in suites if any(t.id == "held+read_only" for t in s.trajectories))
    longer = replace(held_out, id="other", task="", turns=(*SESSION[:3], *SESSION))
    cut = sum(check.id == "held+read_only" for check in suite.checks)
    assert seen(suite, longer) == NONE | {"session": cut, "any": cut}
