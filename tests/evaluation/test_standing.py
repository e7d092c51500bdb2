import itertools

import numpy as np
import polars as pl
import pytest

from agentworld_dag.evaluation.benchmark_tables import checks_table, leaderboard_table
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.standing import passed, ranked
from tests.evaluation.recorded import checks, judged

PLAN = Resampling(200, 0)


Frames = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture
def frames() -> Frames:
    rng = np.random.default_rng(0)
    return judged(rng).with_columns(seed=pl.lit(0)), checks(rng).with_columns(seed=pl.lit(0))


def test_the_best_stands_first_and_each_other_with_its_distance_to_the_one_above(frames: Frames) -> None:
    rows = ranked(*frames, PLAN)
    scores = [row["score"]["value"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert rows[-1]["model"] == "copy"
    assert "below" not in rows[0]
    for above, row in itertools.pairwise(rows):
        assert row["below"]["value"] == pytest.approx(row["score"]["value"] - above["score"]["value"])
        assert row["below"]["low"] <= row["below"]["value"] <= row["below"]["high"]


def test_clean_samples_are_scored_beside_all(frames: Frames) -> None:
    rows = ranked(*frames, PLAN)
    assert {row["clean"]["n"] for row in rows} == {20}
    assert {row["score"]["n"] for row in rows} == {40}


def test_without_a_clean_sample_there_is_a_dash_beside_the_score(frames: Frames) -> None:
    rows = ranked(frames[0].with_columns(clean=pl.lit(False)), frames[1], PLAN)
    table = leaderboard_table({"judge": "rules", "entries": rows})
    column = table.header.index("clean samples")
    assert {row[column] for row in table.rows} == {"–"}  # noqa: RUF001


def test_checks_are_counted_per_axis_and_consistency_per_distance(frames: Frames) -> None:
    found = passed(frames[1], PLAN)["sft ledger"]
    assert found["error"]["n"] == found["consistency"]["n"] == 40
    distances = {name: share["n"] for name, share in found.items() if name.startswith("distance")}
    assert distances == {"distance 1": 6, "distance 2": 6, "distance 3": 6, "distance 4-5": 12, "distance 6+": 10}


def test_an_axis_that_was_not_asked_is_a_dash_and_no_zero(frames: Frames) -> None:
    only_errors = frames[1].filter(axis="error")
    table = checks_table({"checks": passed(only_errors, PLAN)})
    column = table.header.index("consistency")
    assert {row[column] for row in table.rows} == {"–"}  # noqa: RUF001


def test_the_board_names_its_judge_and_counts_failures(frames: Frames) -> None:
    table = leaderboard_table({"judge": "rules", "entries": ranked(*frames, PLAN)})
    assert "judge: rules" in table.note
    assert [row[-1] for row in table.rows] == ["0", "0", "0"]
