"""Env luck: how much of an episode's outcome is the simulator's dice and not the actions (paper.md section 10).

The same actions are replayed free-running several times. At temperature 0 the
replays should agree; what they differ by there is the arithmetic of batches.
"""

from typing import Any

import numpy as np
import polars as pl

from agentworld_dag.evaluation.intervals import (
    SHARE,
    Estimate,
    Floats,
    Resampling,
    as_json,
    divided,
    estimate,
    mean,
    measured,
    scored,
)

EPISODE = ("seed", "trajectory_id")


def replay_section(rows: pl.DataFrame, plan: Resampling) -> dict[str, Any]:
    """The numbers of one mode, per temperature."""
    temperatures = sorted(rows["temperature"].unique())
    return {f"{t:g}": _at(rows.filter(pl.col("temperature") == t), plan) for t in temperatures}


def outcomes(rows: pl.DataFrame) -> pl.DataFrame:
    """`share` of exact turns of each episode in each replay; a turn of a dead episode is not exact."""
    exact = (pl.col("exact") & ~pl.col("failed")).mean()
    return rows.group_by(*EPISODE, "replay", maintain_order=True).agg(share=exact)


def standard_deviation(rows: pl.DataFrame, plan: Resampling) -> Estimate | None:
    """Over the replays of an episode: the root of the mean variance, which few replays do not bias."""
    variances = _variances(rows)
    sides = [scored(variances, "variance", "trajectory_id")]
    return estimate(np.sqrt, sides, plan, (0.0, np.inf)) if len(variances) else None


def luck(rows: pl.DataFrame, plan: Resampling) -> Estimate | None:
    """Share of the variance of all outcomes that lies between replays of one episode; None where no outcome varies."""
    found = _alive(outcomes(rows).with_columns(squared=pl.col("share") ** 2))
    if found["share"].n_unique() < 2:
        return None
    columns = [scored(found, name, "trajectory_id") for name in ("squared", "share")]
    samples = [scored(_variances(rows), "variance", "trajectory_id"), *columns]
    return estimate(_share_within, samples, plan, SHARE)


def disagreement(rows: pl.DataFrame) -> pl.DataFrame:
    """Each turn with `differs`: whether any two replays answered it differently."""
    answers = pl.col("observation").n_unique() > 1
    return _alive(rows.group_by(*EPISODE, "turn_index", maintain_order=True).agg(differs=answers))


def _at(rows: pl.DataFrame, plan: Resampling) -> dict[str, Any]:
    return {
        "exact": as_json(measured(mean, scored(rows, "exact", "trajectory_id"), plan=plan)),
        "standard_deviation": as_json(standard_deviation(rows, plan)),
        "luck": as_json(luck(rows, plan)),
        "turns_that_differ": as_json(mean(scored(disagreement(rows), "differs", "trajectory_id"), plan)),
        "replays": rows["replay"].n_unique(),
    }


def _share_within(within: Floats, squared: Floats, share: Floats) -> Floats:
    """At most 1: on few episodes the unbiased variance within can exceed that of all outcomes."""
    return np.minimum(divided(within, squared - share**2), 1.0)


def _variances(rows: pl.DataFrame) -> pl.DataFrame:
    return _alive(outcomes(rows).group_by(*EPISODE, maintain_order=True).agg(variance=pl.col("share").var()))


def _alive(rows: pl.DataFrame) -> pl.DataFrame:
    """As `scored` wants it: what failed has already been counted in the numbers of these rows."""
    return rows.with_columns(failed=pl.lit(False))
