"""Whether a world model's confidence tells its right answers from its wrong ones (paper.md section 10, metric 13).

Rows are greedy answers with a confidence c in [0, 1]; an unusable answer is a
wrong one, with the confidence it was given. The risk-coverage curve is also
that of a router which sends to the real shell what the simulator is unsure of.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from agentworld_dag.evaluation.intervals import Estimate, Floats, Resampling, Sample, as_json, estimate, mean, measured

CONFIDENCES = ("answer_probability", "token_probability", "agreement")
BINS = 10
COVERAGES = tuple(step / 10 for step in range(1, 11))


def calibration_section(rows: pl.DataFrame, plan: Resampling) -> dict[str, Any]:
    """The numbers of one mode, per confidence."""
    return {"accuracy": as_json(measured(mean, right(rows), plan=plan))} | {
        confidence: {
            "ece": ece(rows[confidence].to_numpy(), right(rows).values) if len(rows) else None,
            "mean": float(rows[confidence].to_numpy().mean()) if len(rows) else None,
            "brier": as_json(measured(mean, squared_error(rows, confidence), plan=plan)),
            "auroc": as_json(auroc(rows, confidence, plan)),
            "risk_area": risk_area(rows[confidence].to_numpy(), 1 - right(rows).values) if len(rows) else None,
            "risk": risk_coverage(rows, confidence, plan),
        }
        for confidence in CONFIDENCES
    }


def ece(confidence: Floats, correct: Floats, bins: int = BINS) -> float:
    """Expected calibration error, sum over bins of |B|/n |acc - conf|, in bins of equal mass.

    Equal confidences share a bin, so where many are equal there are fewer bins. Biased upwards on few answers, and
    an absolute value is no mean: it gets no interval.
    """
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of = np.searchsorted(edges, confidence, side="right")
    gaps = np.bincount(bin_of, correct - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def squared_error(rows: pl.DataFrame, confidence: str) -> Sample:
    """(c - correct)^2 of each answer; its mean is the Brier score."""
    return _sample(rows, (rows[confidence].to_numpy() - right(rows).values) ** 2)


def auroc(rows: pl.DataFrame, confidence: str, plan: Resampling) -> Estimate | None:
    """Chance that a right answer is held with more confidence than a wrong one, ties half; None without both.

    The interval is of its linear part, the two means of placements (DeLong, DeLong and Clarke-Pearson 1988).
    """
    correct, values = right(rows).values == 1, rows[confidence].to_numpy()
    if correct.all() or not correct.any():
        return None
    above = (values[correct] > values[~correct, None]) + 0.5 * (values[correct] == values[~correct, None])
    area = float(above.mean())
    kept, missed = rows.filter(pl.Series(correct)), rows.filter(pl.Series(~correct))
    sides = [_sample(kept, above.mean(axis=0)), _sample(missed, above.mean(axis=1))]
    found = estimate(lambda right_side, wrong_side: right_side + wrong_side - area, sides, plan)
    return replace(found, n=len(rows))


def risk_coverage(rows: pl.DataFrame, confidence: str, plan: Resampling) -> list[dict[str, Any]]:
    """Share of wrong answers among the most confident ones, per share kept; equal confidences are kept together."""
    if rows.is_empty():
        return []
    thresholds = np.unique(np.quantile(rows[confidence].to_numpy(), [1 - c for c in COVERAGES], method="lower"))[::-1]
    kept = [rows.filter(pl.col(confidence) >= threshold) for threshold in thresholds]
    return [{"coverage": len(k) / len(rows), **as_json(mean(_sample(k, 1 - right(k).values), plan))} for k in kept]


def risk_area(confidence: Floats, wrong: Floats) -> float:
    """Area under the risk-coverage curve: the mean risk over every number of answers kept, ties in random order."""
    _, level, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    expected = (np.bincount(level, wrong) / count)[np.sort(level)]
    return float((np.cumsum(expected) / np.arange(1, len(wrong) + 1)).mean())


def right(rows: pl.DataFrame) -> Sample:
    """1 for each answer that is exact."""
    return _sample(rows, (rows["exact"] & ~rows["failed"]).to_numpy().astype(np.float64))


def _sample(rows: pl.DataFrame, values: NDArray[Any]) -> Sample:
    clusters = rows["trajectory_id"].to_numpy().astype(np.str_)
    return Sample(values.astype(np.float64), clusters, rows["seed"].to_numpy().astype(np.int64))
