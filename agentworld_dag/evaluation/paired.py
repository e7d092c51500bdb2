"""Two sides on the same clusters: each one's share, their paired difference, and how sure it is.

Pure functions over rows with the columns `side`, `failed`, a score and the
cluster the row belongs to.
"""

from typing import Any

import numpy as np
import polars as pl

from agentworld_dag.evaluation.intervals import Resampling, Sample, as_json, difference, mean, scored

Section = dict[str, Any]


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


def mean_and_error(values: list[float]) -> Section:
    """Mean and its standard error over independent clusters; an error of 0 for a single one would be a lie: null."""
    found = np.asarray(values, dtype=np.float64)
    error = float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else None
    return {"value": float(found.mean()), "error": error, "n": len(found)}


def _sample(rows: pl.DataFrame, score: str, cluster: str) -> Sample:
    return scored(rows.with_columns(seed=pl.lit(0)), score, cluster)
