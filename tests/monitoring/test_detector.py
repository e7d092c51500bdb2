import math

import numpy as np
import pytest

from agentworld_dag.errors import EvaluationError
from agentworld_dag.monitoring.detector import Detector, floor_of, log_threshold


def watched(detector: Detector, probes: np.ndarray) -> list[float]:
    """The evidence after each probe."""
    found = []
    for scores in probes:
        detector = detector.after(scores)
        found.append(detector.log_evidence)
    return found


def test_evidence_grows_when_fidelity_is_below_the_floor_and_only_then() -> None:
    rng = np.random.default_rng(0)
    healthy, dropped = (rng.binomial(10, p, (20, 60)) / 10 for p in (0.92, 0.8))
    evidence = watched(Detector(0.9), np.concatenate([healthy, dropped]))
    assert max(evidence[:20]) < log_threshold(0.01) < max(evidence[20:25])


def test_a_long_quiet_time_does_not_delay_the_alarm() -> None:
    rng = np.random.default_rng(1)
    dropped = rng.binomial(10, 0.8, (6, 60)) / 10
    after_years = watched(Detector(0.9), np.concatenate([rng.binomial(10, 0.95, (500, 60)) / 10, dropped]))[500:]
    at_once = watched(Detector(0.9), dropped)
    limit = log_threshold(0.01)
    assert [e >= limit for e in after_years] == [e >= limit for e in at_once]


def test_the_expected_sum_of_quiet_bets_is_at_most_their_number() -> None:
    """At the floor itself, where a bet is fair: the mean over many histories is about the number of probes."""
    rng = np.random.default_rng(2)
    sums = [math.exp(watched(Detector(0.5), rng.binomial(4, 0.5, (5, 2)) / 4)[-1]) for _ in range(4000)]
    assert np.mean(sums) == pytest.approx(5, rel=0.1)


def test_probes_of_any_size_count_and_an_empty_one_only_opens_a_bet() -> None:
    detector = Detector(0.9).after([0.5])
    assert detector.after([]).log_evidence == pytest.approx(np.log(np.exp(detector.log_wealth).mean() + 1))
    assert detector.after([0.5] * 7).log_evidence > detector.after([0.5] * 3).log_evidence


@pytest.mark.parametrize("scores", [[1.2], [-0.1], [float("nan")]])
def test_scores_that_are_no_shares_are_refused(scores: list[float]) -> None:
    with pytest.raises(EvaluationError, match="shares from 0 to 1"):
        Detector(0.9).after(scores)


def test_a_floor_stays_testable() -> None:
    assert floor_of(0.9, 0.02) == pytest.approx(0.88)
    assert Detector(floor_of(0.01, 0.05)).floor == 0.01
    with pytest.raises(EvaluationError, match="cannot be tested"):
        Detector(1.0)
