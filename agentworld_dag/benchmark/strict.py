"""Scores in which a failure costs: the default protocol.

A row that failed, or whose judgement is not five integers from 1 to 5, scores
the minimum in every dimension. Macro weighs domains equally, as the paper's
tables do, micro weighs rows. A line that cannot be placed is left out of the
score and counts against coverage and budget. Turns of one trajectory are not
independent: intervals draw trajectories. Above the error budget there is no
score at all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from agentworld_dag.benchmark.judged import ERROR_BUDGET, JudgedRow, Judgements
from agentworld_dag.benchmark.official import normalised
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Estimate, Resampling, Sample, average, difference, mean
from agentworld_dag.training.judge import DIMENSIONS

LOWEST, HIGHEST = 1, 5
FULL = 100.0


def strict_scores(judged: Judgements, plan: Resampling, error_budget: float = ERROR_BUDGET) -> dict[str, Any]:
    """The official shape with intervals beside; `overall` is the macro average.

    Raises EvaluationError above the error budget, and for rows of more than one judge.
    """
    refuse_above(judged, error_budget)
    refuse_two_judges(judged.rows)
    domains = {name: [row for row in judged.rows if row.domain == name] for name in _domains(judged.rows)}
    totals = {name: by_trajectory(rows, total) for name, rows in domains.items()}
    macro = average(list(totals.values()), plan, FULL)
    micro = mean(by_trajectory(judged.rows, total), plan, FULL)
    return {
        "domains": {name: _domain(rows, totals[name], plan) for name, rows in domains.items()},
        "overall": macro.value,
        "macro": asdict(macro),
        "micro": asdict(micro),
        "coverage": sum(map(usable, judged.rows)) / (len(judged.rows) + len(judged.problems)),
        "left_out": len(judged.problems),
    }


def compared(first: Judgements, second: Judgements, plan: Resampling) -> dict[str, Any]:
    """`first` less `second` on the samples both judged, paired.

    Raises EvaluationError when they share none or were judged by different judges.
    """
    refuse_two_judges((*first.rows, *second.rows))
    ours, theirs = ({row.sample: row for row in side.rows} for side in (first, second))
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise EvaluationError(
            f"{first.path} and {second.path} share no sample (task, id, turn_idx): nothing to compare"
        )
    one, other = (by_trajectory([rows[key] for key in shared], total) for rows in (ours, theirs))
    return {
        "difference": asdict(difference(one, other, plan)),
        "first": asdict(mean(one, plan, FULL)),
        "second": asdict(mean(other, plan, FULL)),
        "shared": len(shared),
        "only_first": len(ours) - len(shared),
        "only_second": len(theirs) - len(shared),
    }


def usable(row: JudgedRow) -> bool:
    """Five integers from 1 to 5 and no failure."""
    values = [row.fields.get(name) for name in DIMENSIONS]
    return not row.failed and all(type(value) is int and LOWEST <= value <= HIGHEST for value in values)


def dimension(row: JudgedRow, name: str) -> float:
    return normalised(row.fields[name] if usable(row) else LOWEST)


def total(row: JudgedRow) -> float:
    """The mean of the dimensions, made anew: a file's own `total_score` may leave some out."""
    return sum(dimension(row, name) for name in DIMENSIONS) / len(DIMENSIONS)


def refuse_above(judged: Judgements, error_budget: float) -> None:
    """Raises EvaluationError when too many rows are without a usable judgement, lines left out among them."""
    lost, of = _unusable(judged.rows) + len(judged.problems), len(judged.rows) + len(judged.problems)
    if lost > error_budget * of:
        first = judged.problems[0] if judged.problems else _first_unusable(judged)
        raise EvaluationError(
            f"{lost} of {of} rows have no usable judgement, the budget is {error_budget:.1%}: no score. "
            f"First: {first}. Run what failed again, or raise --error-budget: a row then scores the minimum, "
            "a line left out stays out"
        )


def refuse_two_judges(rows: Sequence[JudgedRow]) -> None:
    """Judges differ in level by more than models do. Rows that do not name theirs are taken to share it."""
    names = sorted({str(row.fields["judge"]) for row in rows if "judge" in row.fields})
    if len(names) > 1:
        raise EvaluationError(f"rows of different judges ({', '.join(names)}) have no common score; judge all with one")


def _domain(rows: Sequence[JudgedRow], totals: Sample, plan: Resampling) -> dict[str, Any]:
    estimates = {
        name: mean(by_trajectory(rows, lambda row, name=name: dimension(row, name)), plan, FULL) for name in DIMENSIONS
    }
    estimates["total_score"] = mean(totals, plan, FULL)
    lost = _unusable(rows)
    return {
        **{name: found.value for name, found in estimates.items()},
        "valid": len(rows) - lost,
        "failed": lost,
        "intervals": {name: _ends(found) for name, found in estimates.items()},
    }


def by_trajectory(rows: Sequence[JudgedRow], score: Callable[[JudgedRow], float]) -> Sample:
    """Scores of rows, drawn by trajectory."""
    return Sample(
        np.array([score(row) for row in rows], dtype=np.float64),
        np.array(["/".join(row.sample[:2]) for row in rows], dtype=np.str_),
        np.zeros(len(rows), dtype=np.int64),
    )


def _ends(found: Estimate) -> Mapping[str, float]:
    return {"low": found.low, "high": found.high}


def _domains(rows: Sequence[JudgedRow]) -> list[str]:
    return sorted({row.domain for row in rows})


def _unusable(rows: Sequence[JudgedRow]) -> int:
    return sum(not usable(row) for row in rows)


def _first_unusable(judged: Judgements) -> str:
    row = next(row for row in judged.rows if not usable(row))
    cause = row.fields.get("error_message") or {name: row.fields.get(name) for name in DIMENSIONS}
    return f"{judged.path}:{row.line}: {cause}"
