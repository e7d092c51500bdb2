"""Answers held against checks: accuracy per axis, per rule and per distance.

A missing answer, and one whose call failed, is wrong. Intervals draw recorded
sessions: the turns of one, and its copies under an instruction, are not
independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from agentworld_dag.benchmark.checks import AXES, Check, accepts
from agentworld_dag.benchmark.extraction import predicted_observation
from agentworld_dag.benchmark.instructions import recorded_id
from agentworld_dag.benchmark.lines import read_lines
from agentworld_dag.benchmark.results import key_of
from agentworld_dag.benchmark.samples import Key, placed
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Resampling, Sample, mean

HORIZONS: Mapping[str, range] = {
    "1": range(1, 2), "2": range(2, 3), "3": range(3, 4), "4-5": range(4, 6), "6+": range(6, 10**6),
}  # fmt: skip
"""Turns between a change and the answer that depends on it."""

Row = dict[str, Any]


def verified(checks: Sequence[Check], answers: Mapping[Key, str | None]) -> list[Row]:
    """One row per check, in order."""
    return [
        placed(check.key)
        | {"axis": check.axis, "rule": check.rule, "horizon": check.horizon}
        | {"answered": answers.get(check.key) is not None, "accepted": accepts(check, answers.get(check.key))}
        for check in checks
    ]


def accuracies(rows: Sequence[Row], plan: Resampling) -> dict[str, Any]:
    """Share accepted with its interval by axis, by rule and, for consistency, by horizon; what has no row is absent.

    Raises EvaluationError on no rows.
    """
    if not rows:
        raise EvaluationError("no check to verify; make some with `agentworld bench checks`")
    return {
        "axes": {axis: _accuracy(found, plan) for axis in AXES if (found := [r for r in rows if r["axis"] == axis])},
        "rules": {
            f"{axis}/{rule}": _accuracy([r for r in rows if (r["axis"], r["rule"]) == (axis, rule)], plan)
            for axis, rule in sorted({(row["axis"], row["rule"]) for row in rows})
        },
        "horizons": {
            name: _accuracy(found, plan)
            for name, turns in HORIZONS.items()
            if (found := [row for row in rows if row["horizon"] in turns])
        },
        "checks": len(rows),
        "answered": sum(row["answered"] for row in rows),
    }


def read_answers(path: Path) -> tuple[dict[Key, str | None], list[str]]:
    """(observations, problems) of predictions as `bench run` writes them; None where a call failed.

    Raises EvaluationError when the file cannot be read.
    """
    lines, problems = read_lines(path, "predictions as `agentworld bench run` writes them")
    answers: dict[Key, str | None] = {}
    for line in lines:
        try:
            answers[key_of(line.fields)] = None if line.fields["failed"] else predicted_observation(line.fields["gen"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            problems.append(f"{path}:{line.number}: no prediction with task, id, turn_idx, gen, failed ({error!r})")
    return answers, problems


def _accuracy(rows: Sequence[Row], plan: Resampling) -> dict[str, Any]:
    accepted = np.array([row["accepted"] for row in rows], dtype=np.float64)
    sessions = np.array([f"{row['task']}/{recorded_id(row['id'])}" for row in rows], dtype=np.str_)
    return asdict(mean(Sample(accepted, sessions, np.zeros(len(rows), dtype=np.int64)), plan))
