from agentworld_dag.monitoring.regression import Lead, lead_of, regression
from agentworld_dag.monitoring.settings import Review

LIMITS = Review(auto_promote=False, regression_probes=3, regression_confidence=0.99)
QUIET, WORSE = Lead("q", 0.01, 0.02), Lead("w", -0.2, 0.02)


def test_a_clear_loss_is_a_regression_and_tells_its_numbers():
    found = regression([WORSE], LIMITS)
    assert found.worse
    assert "probe w: ahead of the champion before it by -0.200, at most -0.1" in found.reason


def test_a_loss_within_chance_a_gain_and_a_single_episode_are_none():
    assert not regression([Lead("a", -0.02, 0.02)], LIMITS).worse
    assert not regression([QUIET], LIMITS).worse
    assert not regression([Lead("a", -0.9, None)], LIMITS).worse
    assert not regression([], LIMITS).worse


def test_only_the_first_probes_count_and_each_once():
    others = [Lead(name, 0.0, 0.02) for name in "abc"]
    assert not regression([*others, WORSE], LIMITS).worse
    assert regression([others[0], others[0], others[0], WORSE], LIMITS).worse


def test_more_looks_ask_for_clearer_losses():
    borderline = Lead("a", -0.05, 0.02)
    assert regression([borderline], LIMITS.model_copy(update={"regression_probes": 1})).worse
    assert not regression([borderline], LIMITS.model_copy(update={"regression_probes": 3})).worse


def test_a_probe_without_a_champion_before_has_no_lead():
    assert lead_of("a", {}) is None
    assert lead_of("a", {"value": 0.1, "error": 0.02, "n": 9}) == Lead("a", 0.1, 0.02)
