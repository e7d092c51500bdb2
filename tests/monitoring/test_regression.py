import numpy as np
import pytest

from agentworld_dag.evaluation.paired import lead as lead_over
from agentworld_dag.monitoring.regression import Lead, lead_of, regression
from agentworld_dag.monitoring.settings import Review

LIMITS = Review(auto_promote=False, regression_probes=3, regression_confidence=0.99)
QUIET, WORSE = Lead("q", 0.01, 0.7), Lead("w", -0.2, 0.0001)


def test_a_clear_loss_is_a_regression_and_tells_its_numbers():
    found = regression([WORSE], LIMITS)
    assert found.worse
    assert "probe w: ahead of the champion before it by -0.200; by chance alone it would be so low with" in found.reason
    assert "probability 0.0001, and 0.0033 is asked for at 99% confidence over 3 probes" in found.reason


def test_a_loss_within_chance_a_gain_and_no_probe_are_none():
    assert not regression([Lead("a", -0.02, 0.16)], LIMITS).worse
    assert not regression([QUIET], LIMITS).worse
    assert not regression([], LIMITS).worse


def test_only_the_first_probes_count_and_each_once():
    others = [Lead(name, 0.0, 0.5) for name in "abc"]
    assert not regression([*others, WORSE], LIMITS).worse
    assert regression([others[0], others[0], others[0], WORSE], LIMITS).worse


def test_more_looks_ask_for_clearer_losses():
    borderline = Lead("a", -0.05, 0.006)
    assert regression([borderline], LIMITS.model_copy(update={"regression_probes": 1})).worse
    assert not regression([borderline], LIMITS.model_copy(update={"regression_probes": 3})).worse


def test_a_probe_without_a_champion_before_or_without_a_word_on_chance_has_no_lead():
    assert lead_of("a", {}) is None
    assert lead_of("a", {"value": 0.1, "error": 0.02, "n": 9}) is None
    assert lead_of("a", {"value": 0.1, "chance": 0.02, "n": 9}) == Lead("a", 0.1, 0.02)


def taken_back(differences: np.ndarray) -> bool:
    """Whether these paired outcomes of one probe end a champion."""
    found = lead_of("a", lead_over(list(differences)))
    assert found
    return regression([found], LIMITS).worse


def test_seven_losses_and_no_win_among_sixty_tasks_are_too_few_and_nine_are_enough():
    assert not taken_back(np.array([-1.0] * 7 + [0.0] * 53))
    assert taken_back(np.array([-1.0] * 9 + [0.0] * 51))


@pytest.mark.parametrize("discordant", [0.05, 0.1, 0.2])
def test_among_sixty_tasks_no_more_equally_good_champions_are_taken_back_than_was_promised(discordant: float):
    draw = np.random.default_rng(0)
    odds = [discordant / 2, 1 - discordant, discordant / 2]
    probes = draw.choice([-1.0, 0.0, 1.0], (3000, 60), p=odds)
    promised = (1 - LIMITS.regression_confidence) / LIMITS.regression_probes
    assert sum(map(taken_back, probes)) / len(probes) <= promised + 2 * np.sqrt(promised / len(probes))


def test_a_champion_that_loses_a_third_of_sixty_tasks_is_taken_back():
    probes = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (100, 60), p=[0.4, 0.55, 0.05])
    assert sum(map(taken_back, probes)) > 80
