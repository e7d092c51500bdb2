from dataclasses import replace

import pytest

from agentworld_dag.benchmark.check_generation import build_checks
from agentworld_dag.benchmark.checks import AXES, accepts
from agentworld_dag.errors import EvaluationError
from agentworld_dag.trajectories.schema import Trajectory, Turn
from tests.benchmark.recorded_sessions import HOME, SESSION


@pytest.fixture
def sessions(episode) -> list[Trajectory]:
    return [episode(id=f"e{i}", initial_state=HOME, turns=SESSION) for i in range(12)]


def test_every_axis_has_checks_that_accept_the_truth(sessions: list[Trajectory]) -> None:
    suite = build_checks(sessions, seed=0)
    known = {trajectory.id: trajectory for trajectory in suite.trajectories}
    assert suite.kept == suite.generated == {"controllability": 24, "error": 12, "consistency": 36}
    assert {check.axis for check in suite.checks} == set(AXES)
    assert all(accepts(c, known[c.id].turns[c.turn - 1].observation) for c in suite.checks)
    assert all((c.axis == "controllability") == bool(known[c.id].system.simulation_instruction) for c in suite.checks)
    assert suite.dropped == {}
    assert all(suite.adversarial[axis] > 100 and suite.false_accepts[axis] == 0 for axis in AXES)


def test_the_same_seed_makes_the_same_suite(sessions: list[Trajectory]) -> None:
    assert build_checks(sessions, 3) == build_checks(sessions, 3)
    assert build_checks(sessions, 3).checks != build_checks(sessions, 4).checks


def test_a_recording_that_the_rules_do_not_expect_gives_no_check(sessions: list[Trajectory]) -> None:
    wrong = replace(SESSION[7], observation="cat: memo: Permission denied\n~[1]$")
    turns = (*SESSION[:7], wrong, *SESSION[8:])
    suite = build_checks([*sessions, replace(sessions[0], id="wrong", turns=turns)], seed=0)
    assert suite.generated["error"] - suite.kept["error"] == 1
    assert suite.dropped["error: the truth is rejected"] == suite.dropped["consistency: the truth is rejected"] == 1
    assert not any(check.id == "wrong" and check.turn == 8 for check in suite.checks)


def test_a_smaller_suite_keeps_every_rule_and_only_what_it_is_about(sessions: list[Trajectory]) -> None:
    whole, some = (build_checks(sessions, 0, most) for most in (None, 6))
    for axis in AXES:
        rules = {(check.rule, check.horizon) for check in whole.checks if check.axis == axis}
        drawn = [check for check in some.checks if check.axis == axis]
        assert len(drawn) == 6
        assert len({(check.rule, check.horizon) for check in drawn}) == min(6, len(rules))
    assert set(some.checks) < set(whole.checks)
    assert {trajectory.id for trajectory in some.trajectories} == {check.id for check in some.checks}
    assert some.kept == whole.kept


def test_what_cannot_be_checked_is_left_out(sessions: list[Trajectory]) -> None:
    hung = replace(sessions[0], id="hung", turns=(*SESSION, Turn("cat", None, None)))
    web = replace(sessions[0], id="web", domain="web")
    suite = build_checks([sessions[0], hung, web], seed=0)
    assert {check.id.partition("+")[0] for check in suite.checks} == {"e0"}
    with pytest.raises(EvaluationError, match="no check is kept of 0 from 2 trajectories"):
        build_checks([hung, web], seed=0)


def test_counts_say_what_was_made_and_what_was_chosen(sessions: list[Trajectory]) -> None:
    counts = build_checks(sessions, 0, most_per_axis=5).counts()
    assert counts["checks"] == dict.fromkeys(AXES, 5)
    assert counts["kept"]["consistency"] == 36
