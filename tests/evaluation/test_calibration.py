import numpy as np
import polars as pl
import pytest

from agentworld_dag.evaluation.calibration import auroc, calibration_section, ece, right, risk_area, risk_coverage
from agentworld_dag.evaluation.intervals import Resampling

PLAN = Resampling(400, 0)


def answers(confidence: list[float], exact: list[bool], failed: list[bool] | None = None) -> pl.DataFrame:
    columns = dict.fromkeys(("answer_probability", "token_probability", "agreement"), confidence)
    names = [f"trajectory-{i}" for i in range(len(exact))]
    return pl.DataFrame(
        {**columns, "exact": exact, "failed": failed or [False] * len(exact), "trajectory_id": names, "seed": 0}
    )


def test_calibration_error_is_the_gap_of_each_bin_by_its_share() -> None:
    confidence, correct = np.array([0.1, 0.3, 0.8, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    assert ece(confidence, correct, bins=2) == pytest.approx(0.5 * abs(0.5 - 0.2) + 0.5 * abs(1.0 - 0.9))


def test_equal_confidences_share_a_bin_whatever_their_order() -> None:
    confidence = np.array([1.0] * 8 + [0.5, 0.5])
    correct = np.array([1.0] * 6 + [0.0] * 2 + [1.0, 0.0])
    assert ece(confidence, correct) == ece(confidence, correct[[7, 6, 5, 4, 3, 2, 1, 0, 9, 8]]) == pytest.approx(0.2)


def test_an_unusable_answer_is_a_wrong_one_with_the_confidence_it_was_given() -> None:
    found = calibration_section(answers([0.9, 0.5], [True, False], [False, True]), PLAN)["agreement"]
    assert found["brier"]["value"] == pytest.approx((0.1**2 + 0.5**2) / 2)


def test_auroc_counts_pairs_in_the_right_order_and_ties_half() -> None:
    rows = answers([0.9, 0.6, 0.6, 0.2, 0.8], [True, True, False, False, False])
    found = auroc(rows, "agreement", PLAN)
    assert found is not None
    assert found.value == pytest.approx((3 + 1 + 0.5) / 6)
    assert (found.n, found.clusters) == (5, 5)


def test_auroc_needs_a_right_and_a_wrong_answer() -> None:
    assert auroc(answers([0.9, 0.8], [True, True]), "agreement", PLAN) is None
    assert auroc(answers([0.9, 0.8], [False, False]), "agreement", PLAN) is None


def test_the_interval_of_auroc_is_about_that_of_drawing_answers_anew() -> None:
    rng = np.random.default_rng(0)
    exact = rng.random(200) < 0.7
    rows = answers(list(rng.normal(exact * 1.0, 1.0)), list(exact))
    found = auroc(rows, "agreement", PLAN)
    drawn = [rows.sample(len(rows), with_replacement=True, seed=i) for i in range(200)]
    values = [a.value for one in drawn if (a := auroc(one, "agreement", Resampling(2, 0)))]
    assert found is not None
    assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.02)


def test_risk_is_the_wrong_share_among_the_surest_and_ties_are_kept_together() -> None:
    rows = answers([1.0] * 5 + [0.5] * 5, [True] * 5 + [True] * 3 + [False] * 2)
    curve = risk_coverage(rows, "agreement", PLAN)
    assert [(point["coverage"], point["value"]) for point in curve] == [(0.5, 0.0), (1.0, pytest.approx(0.2))]


def test_the_area_of_risk_averages_over_every_number_kept() -> None:
    surest_first = risk_area(np.array([0.9, 0.8, 0.1]), np.array([0.0, 0.0, 1.0]))
    assert surest_first == pytest.approx((0 + 0 + 1 / 3) / 3)
    in_any_order = risk_area(np.array([0.5, 0.5, 0.1]), np.array([1.0, 0.0, 0.0]))
    assert in_any_order == pytest.approx((0.5 + 0.5 + 1 / 3) / 3)


def test_nothing_measured_has_no_numbers() -> None:
    found = calibration_section(answers([], []).cast({"exact": pl.Boolean, "failed": pl.Boolean}), PLAN)
    assert found["accuracy"]["value"] is found["agreement"]["ece"] is found["agreement"]["auroc"]["value"] is None
    assert found["agreement"]["risk"] == []


def test_an_answer_is_right_where_it_is_exact_and_usable() -> None:
    assert right(answers([0.5] * 3, [True, False, True], [False, False, True])).values.tolist() == [1, 0, 0]
