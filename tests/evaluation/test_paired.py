"""Numbers that can be worked out by hand."""

from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.paired import FLIPS, by_group, chance_of_loss, cluster_means, compared, lead

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


def test_on_wins_and_losses_the_chance_of_a_loss_is_that_of_the_sign_test() -> None:
    assert chance_of_loss([-1.0] * 7 + [0.0] * 53) == pytest.approx(1 / 2**7)
    assert chance_of_loss([-1.0] * 10 + [1.0] + [0.0] * 49) == pytest.approx(12 / 2**11)
    assert chance_of_loss([-0.3] * 9) == pytest.approx(1 / 2**9), "equal sizes in any unit"


def test_who_is_level_ahead_or_alone_has_lost_nothing() -> None:
    assert chance_of_loss([0.0] * 9) == 1.0
    assert chance_of_loss([1.0] * 5) == 1.0
    assert chance_of_loss([-1.0]) == 0.5


def test_among_many_the_chance_is_estimated_and_never_too_small() -> None:
    lost = list(np.random.default_rng(1).normal(-0.05, 0.3, 300))
    error = np.std(lost, ddof=1) / np.sqrt(300)
    expected = NormalDist().cdf(float(np.mean(lost)) / error)
    assert chance_of_loss(lost) == pytest.approx(expected, rel=0.5, abs=1 / FLIPS)
    assert chance_of_loss([-1.0] * 300) == 1 / (FLIPS + 1)


def test_a_lead_is_a_mean_and_how_often_chance_puts_it_so_low() -> None:
    assert lead([-1.0, 0.0, 0.0, -1.0]) == {"value": -0.5, "chance": 0.25, "n": 4}
