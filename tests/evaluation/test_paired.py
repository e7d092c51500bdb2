"""Numbers that can be worked out by hand."""

import numpy as np
import polars as pl
import pytest

from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.paired import by_group, cluster_means, compared, mean_and_error

PLAN = Resampling(200, 0)
SIDES = ("candidate", "champion")


def rows(*told: tuple[str, str, str, float | None, bool]) -> pl.DataFrame:
    """Rows of (side, cluster, command, score, failed)."""
    return pl.DataFrame(told, schema=["side", "trajectory", "command", "score", "failed"], orient="row")


FORGED = rows(
    ("candidate", "a", "ls", 1.0, False),
    ("candidate", "a", "cat", 1.0, False),
    ("candidate", "b", "ls", 0.0, False),
    ("candidate", "b", "ls", 1.0, True),
    ("champion", "a", "ls", 1.0, False),
    ("champion", "a", "cat", 0.0, False),
    ("champion", "b", "ls", 0.0, False),
    ("champion", "b", "ls", 0.0, False),
)


def test_shares_and_difference_are_those_of_all_rows_and_a_failed_row_is_wrong() -> None:
    found = compared(FORGED, "score", "trajectory", SIDES, PLAN)
    assert [found[side]["value"] for side in (*SIDES, "difference")] == [0.5, 0.25, 0.25]
    assert [found[side]["n"] for side in SIDES] == [4, 4]
    assert found["difference"]["clusters"] == 2


def test_a_difference_is_paired_by_cluster() -> None:
    """Clusters lie far apart and the sides do not: only pairing sees that."""
    told = [
        (side, str(cluster), "ls", cluster / 20 + lead, False)
        for cluster in range(16)
        for side, lead in (("candidate", 0.1), ("champion", 0.0))
    ]
    found = compared(rows(*told), "score", "trajectory", SIDES, PLAN)["difference"]
    assert [found[name] for name in ("value", "low", "high")] == pytest.approx([0.1, 0.1, 0.1])


def test_without_the_second_side_there_is_no_difference() -> None:
    found = compared(FORGED.filter(side="candidate"), "score", "trajectory", SIDES, PLAN)
    assert set(found) == {"candidate"}


def test_groups_come_by_size_and_then_by_name() -> None:
    more = rows(*[("candidate", "c", name, 1.0, False) for name in ("rm", "cd", "ls")])
    found = by_group(pl.concat([more, FORGED]), "command", "score", "trajectory", SIDES, PLAN)
    assert list(found) == ["ls", "cat", "cd", "rm"]
    assert found["cat"]["difference"]["value"] == 1.0
    assert (found["ls"]["candidate"]["value"], found["ls"]["champion"]["value"]) == (0.5, pytest.approx(0.0 + 1 / 3))
    assert set(found["rm"]) == {"candidate"}


def test_means_by_cluster() -> None:
    assert cluster_means(FORGED, "score", "trajectory", "candidate") == {"a": 1.0, "b": 0.0}
    assert cluster_means(FORGED, "score", "trajectory", "champion") == {"a": 0.5, "b": 0.0}
    assert cluster_means(FORGED, "score", "trajectory", "nobody") == {}


def test_the_error_of_a_mean_is_that_of_independent_clusters() -> None:
    values = [0.1, 0.4, 0.4, 0.9]
    found = mean_and_error(values)
    assert found["n"] == 4
    assert found["value"] == pytest.approx(0.45)
    assert found["error"] == pytest.approx(np.std(values, ddof=1) / 2)


def test_one_cluster_has_no_error() -> None:
    assert mean_and_error([0.5]) == {"value": 0.5, "error": None, "n": 1}
