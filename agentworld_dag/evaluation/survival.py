"""How long a simulated episode stays true: half-life, first-divergence survival, drift by turn (paper.md metric 9).

Computed from the rows of `drift`: free-running and teacher-forced answers to
the same actions. Turns are counted from 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from agentworld_dag.evaluation.intervals import (
    SHARE,
    Floats,
    Resampling,
    Sample,
    as_json,
    difference,
    estimate,
    mean,
    scored,
)

Curve = list[dict[str, Any]]
FREE, FORCED = "free_running", "teacher_forced"


def survival_section(rows: pl.DataFrame, plan: Resampling) -> dict[str, Any]:
    """The numbers of one mode."""
    curve, accuracy = survival(rows, plan), accuracy_by_turn(rows, plan)
    return {
        "survival": curve,
        "drift": drift_by_turn(rows, plan),
        "half_life": crossing(accuracy, accuracy[0]["value"] / 2 if accuracy else 0.0),
        "median_divergence": crossing(curve, 0.5),
    }


def survival(rows: pl.DataFrame, plan: Resampling) -> Curve:
    """S(h), the share of episodes without a wrong answer up to turn h, by Kaplan and Meier (1958).

    An episode that ends without one is censored there. The curve ends with the last turn that any episode reaches
    without an earlier error.
    """
    first = first_divergence(rows)
    risks = [at_risk(first, turn) for turn in range(1, int(first["turn"].max() or 0) + 1)]  # pyright: ignore[reportArgumentType]
    return [{"turn": h, **as_json(estimate(_survivors, risks[:h], plan, SHARE))} for h in range(1, len(risks) + 1)]


def first_divergence(rows: pl.DataFrame) -> pl.DataFrame:
    """Per free-running episode the `turn` of its first wrong answer, or its last turn where none `diverged`."""
    wrong = ~pl.col("exact") | pl.col("failed")
    turns = pl.col("turn_index") + 1
    return (
        rows.filter(regime=FREE)
        .group_by("seed", "trajectory_id", maintain_order=True)
        .agg(turn=pl.coalesce(turns.filter(wrong).min(), turns.max()), diverged=wrong.any())
    )


def at_risk(first: pl.DataFrame, turn: int) -> Sample:
    """Episodes still true before `turn`: 1 for those that diverge there. Its mean is the hazard."""
    still = first.filter(pl.col("turn") >= turn)
    events = still.with_columns(event=pl.col("diverged") & (pl.col("turn") == turn), failed=pl.lit(False))
    return scored(events, "event", "trajectory_id")


def accuracy_by_turn(rows: pl.DataFrame, plan: Resampling) -> Curve:
    """A_FR(t), the exact share of free-running answers."""
    return [{"turn": t + 1, **as_json(mean(_at(rows, FREE, t), plan))} for t in _turns(rows)]


def drift_by_turn(rows: pl.DataFrame, plan: Resampling) -> Curve:
    """D(h) = A_TF(h) - A_FR(h), paired by episode."""
    return [
        {"turn": t + 1, **as_json(difference(_at(rows, FORCED, t), _at(rows, FREE, t), plan))} for t in _turns(rows)
    ]


def crossing(curve: Sequence[dict[str, Any]], level: float) -> dict[str, int | None]:
    """The first turn at which a curve is at or below `level`; None where that is beyond `last`, its last turn.

    The interval is where the curve's band crosses: nothing is extrapolated (Brookmeyer and Crowley 1982).
    """
    found = {bound: next((p["turn"] for p in curve if p[bound] <= level), None) for bound in ("value", "low", "high")}
    return {**found, "last": curve[-1]["turn"] if curve else None}


def _survivors(*hazards: Floats) -> Floats:
    return np.prod([1 - hazard for hazard in hazards], axis=0)


def _at(rows: pl.DataFrame, regime: str, turn: int) -> Sample:
    return scored(rows.filter(regime=regime, turn_index=turn), "exact", "trajectory_id")


def _turns(rows: pl.DataFrame) -> list[int]:
    both = [set(rows.filter(regime=regime)["turn_index"]) for regime in (FREE, FORCED)]
    return sorted(both[0] & both[1])
