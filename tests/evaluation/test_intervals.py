import numpy as np
import polars as pl
import pytest

from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Resampling, Sample, best, difference, mean, measured, ratio, scored

PLAN = Resampling(400, 0)


def sample(values, clusters=None, seeds=None) -> Sample:
    values = np.asarray(values, dtype=np.float64)
    clusters = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    seeds = np.zeros(len(values), dtype=np.int64) if seeds is None else np.asarray(seeds)
    return Sample(values, clusters.astype(np.str_), seeds)


def trained(rng: np.random.Generator, seeds: int, between_seeds: float) -> Sample:
    """Answers of several trainings on the same 50 tasks, three each, around a true mean of 0.6."""
    of_seed, of_task = rng.normal(0, between_seeds, seeds), rng.normal(0, 0.15, 50)
    chance = np.clip(0.6 + of_seed[:, None] + of_task, 0, 1)[:, :, None]
    right = rng.random((seeds, 50, 3)) < chance
    seed_of, task_of, _ = np.indices(right.shape)
    return sample(right.ravel(), task_of.ravel(), seed_of.ravel())


@pytest.mark.parametrize(("seeds", "between_seeds"), [(1, 0.0), (5, 0.03)])
def test_an_interval_holds_the_truth_about_95_times_in_100(seeds, between_seeds):
    rng = np.random.default_rng(1)
    found = [mean(trained(rng, seeds, between_seeds), PLAN) for _ in range(200)]
    covered = np.mean([estimate.low <= 0.6 <= estimate.high for estimate in found])
    assert 0.91 <= covered <= 0.99


def test_answers_that_share_a_cluster_widen_the_interval():
    values = np.repeat(np.random.default_rng(0).random(20) < 0.5, 10)
    alone, together = mean(sample(values), PLAN), mean(sample(values, np.repeat(np.arange(20), 10)), PLAN)
    assert alone.value == together.value
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert (together.n, together.clusters) == (200, 20)


def test_seeds_that_disagree_widen_the_interval():
    rng = np.random.default_rng(0)
    agreeing, disagreeing = trained(rng, 3, 0.0), trained(rng, 3, 0.2)
    width = [estimate.high - estimate.low for estimate in (mean(agreeing, PLAN), mean(disagreeing, PLAN))]
    assert width[1] > 1.5 * width[0]


def test_no_mean_is_said_to_lie_outside_of_what_was_seen():
    shares = sample([1, 0, 0, 0, 0, 0, 0, 0], list("abcd") * 2, [0] * 4 + [1] * 4)
    found = mean(shares, PLAN)
    assert found.low == 0 < found.value < found.high < 1
    unbounded = difference(shares, sample([0] * 8, list("abcd") * 2, [0] * 4 + [1] * 4), PLAN)
    assert unbounded.low < 0


def test_pairing_removes_what_two_sides_share():
    rng = np.random.default_rng(0)
    hard = rng.random(60)
    first, second = sample(hard + 0.1), sample(hard)
    found = difference(first, second, PLAN)
    assert found.low == pytest.approx(0.1) == found.high


def test_sides_are_paired_by_cluster_whatever_their_order_and_number():
    first = sample([1, 1, 0, 0], ["a", "a", "b", "b"])
    second = sample([0, 1], ["b", "a"])
    assert difference(first, second, PLAN).value == 0
    assert difference(first, second, PLAN).low == 0


def test_ratio_of_means():
    assert ratio(sample([1, 0, 0, 1]), sample([1, 1, 1, 1]), PLAN).value == 0.5


def test_a_ratio_over_nothing_is_refused():
    with pytest.raises(EvaluationError, match="mean of 0"):
        ratio(sample([1, 1]), sample([0, 0]), PLAN)


def test_all_failures_still_leave_room_above():
    found = mean(sample(np.zeros(50)), PLAN)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 50))
    assert mean(sample(np.ones(50)), PLAN).low == pytest.approx(0.025 ** (1 / 50))


def test_nothing_measured_is_refused_or_said():
    with pytest.raises(EvaluationError, match="sample 1 of 2 is empty"):
        difference(sample([1.0]), sample([]), PLAN)
    assert measured(difference, sample([1.0]), sample([]), plan=PLAN) is None


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(EvaluationError, match="not a finite number"):
        mean(sample([1.0, np.nan]), PLAN)


def test_failed_calls_count_as_failures_and_stay_in_the_denominator():
    rows = pl.DataFrame(
        {"task_id": ["a", "b", "c"], "seed": [0, 0, 0], "success": [True, True, None], "failed": [False, True, False]}
    )
    found = mean(scored(rows, "success", "task_id"), PLAN)
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)


def test_the_same_seed_gives_the_same_interval():
    values = sample(np.random.default_rng(0).random(30))
    assert mean(values, PLAN) == mean(values, PLAN)
    assert mean(values, PLAN) != mean(values, Resampling(400, 1))


def test_best_side():
    weak, strong = sample([0, 1]), sample([1, 1])
    assert best([weak, strong]) is strong
