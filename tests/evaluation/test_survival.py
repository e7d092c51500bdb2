import polars as pl
import pytest

from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.survival import crossing, drift_by_turn, first_divergence, survival, survival_section

PLAN = Resampling(200, 0)


def episodes(regime: str, *exact: str) -> pl.DataFrame:
    """One episode per word: `x` a right answer, `.` a wrong one."""
    rows = [
        {
            "regime": regime,
            "trajectory_id": f"trajectory-{i}",
            "turn_index": turn,
            "exact": mark == "x",
            "failed": False,
            "seed": 0,
        }
        for i, word in enumerate(exact)
        for turn, mark in enumerate(word)
    ]
    return pl.DataFrame(rows)


def test_an_episode_diverges_at_its_first_wrong_answer_or_is_censored_at_its_end() -> None:
    found = first_divergence(episodes("free_running", "x.x", "xx", "...")).select("turn", "diverged")
    assert found.rows() == [(2, True), (2, False), (1, True)]


def test_survival_counts_only_episodes_that_are_still_there() -> None:
    curve = survival(episodes("free_running", "x.xx", "x", "xxxx", "xxx.", "xx"), PLAN)
    # One of four leaves at turn 2; the short ones are censored, and one of the last two leaves at turn 4.
    expected = [1, 3 / 4, 3 / 4, 3 / 4 * 1 / 2]
    assert [point["value"] for point in curve] == pytest.approx(expected)
    assert [point["turn"] for point in curve] == [1, 2, 3, 4]


def test_survival_never_rises_and_its_interval_holds_it() -> None:
    curve = survival(episodes("free_running", *["xx.x", "xxxx", ".xxx", "xxx."] * 5), PLAN)
    values = [point["value"] for point in curve]
    assert values == sorted(values, reverse=True)
    assert all(point["low"] <= point["value"] <= point["high"] for point in curve)


def test_drift_is_the_forced_share_less_the_free_one() -> None:
    rows = pl.concat([episodes("teacher_forced", "xx", "xx"), episodes("free_running", "xx", "x.")])
    assert [point["value"] for point in drift_by_turn(rows, PLAN)] == [0, 0.5]


def test_half_life_is_the_first_turn_at_half_of_where_it_started() -> None:
    free = episodes("free_running", "xxx", "xx.", "x..", "...")
    found = survival_section(pl.concat([free, episodes("teacher_forced", "xxx")]), PLAN)
    assert found["half_life"]["value"] == 3
    assert found["median_divergence"]["value"] == 2


def test_what_is_not_reached_is_beyond_the_last_turn() -> None:
    curve = [{"turn": t, "value": v, "low": v - 0.2, "high": v + 0.2} for t, v in ((1, 0.9), (2, 0.6), (3, 0.45))]
    assert crossing(curve, 0.5) == {"value": 3, "low": 2, "high": None, "last": 3}


def test_nothing_measured_has_no_curve() -> None:
    found = survival_section(episodes("free_running", "x").clear(), PLAN)
    assert found["survival"] == found["drift"] == []
    assert found["half_life"]["last"] is None
