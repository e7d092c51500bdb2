"""Two sides on the same clusters: each one's share, their paired difference, and how sure it is.

Pure functions over rows with the columns `side`, `failed`, a score and the
cluster the row belongs to.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from agentworld_dag.evaluation.intervals import Resampling, Sample, as_json, difference, mean, scored

Section = dict[str, Any]
FLIPS = 2**14
ROUNDING = 1e-9
"""Sums this close are equal."""


def compared(rows: pl.DataFrame, score: str, cluster: str, sides: tuple[str, str], plan: Resampling) -> Section:
    """Share of the first side, and where the second has rows its share and the difference, first less second."""
    first, second = (_sample(rows.filter(side=side), score, cluster) for side in sides)
    found: Section = {sides[0]: as_json(mean(first, plan))}
    if len(second):
        found |= {sides[1]: as_json(mean(second, plan)), "difference": as_json(difference(first, second, plan))}
    return found


def by_group(
    rows: pl.DataFrame, group: str, score: str, cluster: str, sides: tuple[str, str], plan: Resampling
) -> dict[str, Section]:
    """`compared` within each value of a column, largest groups first, equal ones by name."""
    sizes = rows.filter(side=sides[0]).group_by(group).len().sort("len", group, descending=[True, False])
    return {name: compared(rows.filter(pl.col(group) == name), score, cluster, sides, plan) for name in sizes[group]}


def cluster_means(rows: pl.DataFrame, score: str, cluster: str, side: str) -> dict[str, float]:
    """Mean score of a side in each cluster; a failed row scores 0."""
    value = pl.when(pl.col("failed")).then(0.0).otherwise(pl.col(score).cast(pl.Float64))
    means = rows.filter(side=side).group_by(cluster, maintain_order=True).agg(value.mean())
    return dict(means.iter_rows())


def lead(differences: Sequence[float]) -> Section:
    """By how much the first side is ahead over independent clusters, and how often chance alone puts it so far back."""
    return {"value": float(np.mean(differences)), "chance": chance_of_loss(differences), "n": len(differences)}


def chance_of_loss(differences: Sequence[float]) -> float:
    """How often the mean would be as low or lower, were both sides equally good: the one-sided sign-flip test.

    Every difference might as well have had the other sign then (Fisher 1935), so it keeps its promise where few
    clusters tell the sides apart; on wins and losses it is the sign test. Exact for few, else of FLIPS random flips, to
    which what was seen is added so that it is never too small (Phipson and Smyth 2010).
    """
    seen = np.asarray([each for each in differences if each], dtype=np.float64)
    sizes = np.abs(seen)
    exact = 2 ** len(seen) <= FLIPS
    if exact:
        positive = np.arange(2 ** len(seen))[:, None] >> np.arange(len(seen)) & 1
    else:
        positive = np.random.default_rng(0).integers(0, 2, (FLIPS, len(seen)))
    as_low = int((2 * positive @ sizes - sizes.sum() <= seen.sum() + ROUNDING).sum())
    return as_low / len(positive) if exact else (as_low + 1) / (FLIPS + 1)


def _sample(rows: pl.DataFrame, score: str, cluster: str) -> Sample:
    return scored(rows.with_columns(seed=pl.lit(0)), score, cluster)
