import random

import pytest

from agentworld_dag.benchmark.candidates import controllability_candidates, error_candidates
from agentworld_dag.benchmark.checks import accepts
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.trajectories.schema import Turn
from tests.benchmark.recorded_sessions import HOME, SESSION, played


def test_the_session_of_these_tests_is_a_real_one(terminal: RealTerminal) -> None:
    assert tuple(played(terminal, HOME, [turn.action for turn in SESSION])) == SESSION


def test_an_error_is_a_failure_that_says_something(episode) -> None:
    silent = (Turn("test -d memo", "~[1]$", HOME), Turn("grep zebra memo", "~[1]$", HOME))
    found = list(error_candidates(episode(initial_state=HOME, turns=(*silent, *SESSION))))
    assert [(each.check.turn, each.check.rule) for each in found] == [(10, "absent_path_error")]
    assert accepts(found[0].check, found[0].truth)


@pytest.mark.parametrize(
    ("action", "rule"),
    [
        ("cat docs", "is_directory_error"),
        ("cd memo", "not_directory_error"),
        ("mkdir docs", "exists_error"),
        ("rmdir docs", "not_empty_error"),
        ("mv memo memo", "same_file_error"),
        ("wolf", "unknown_command_error"),
        ("echo a >", "syntax_error"),
        ("cd docs docs", "usage_error"),
        ("rm", "usage_error"),
    ],
)
def test_errors_are_told_apart_by_rule(action: str, rule: str, episode) -> None:
    turns = (Turn(action, "not looked at", HOME),)
    assert [each.check.rule for each in error_candidates(episode(initial_state=HOME, turns=turns))] == [rule]


def test_an_instruction_is_checked_where_it_shows_and_where_it_must_not(episode) -> None:
    for seed in range(20):
        found = list(controllability_candidates(episode(initial_state=HOME, turns=SESSION), random.Random(seed)))
        assert [each.check.rule.rpartition("_")[2] for each in found] == ["obeyed", "elsewhere"]
        for each in found:
            assert accepts(each.check, each.truth)
            assert not any(accepts(each.check, wrong) for wrong in each.contradictions.values())
        assert found[0].check.turn != found[1].check.turn
        assert found[0].contradictions["ignored"] in {turn.observation for turn in SESSION}


def test_what_was_on_the_screen_before_the_first_action_is_the_first_prompt(episode) -> None:
    turns = (Turn("cat nowhere", "", HOME), Turn("cat nowhere", "", HOME))
    assert [each.last for each in error_candidates(episode(initial_state=HOME, turns=turns))] == ["~$", ""]
