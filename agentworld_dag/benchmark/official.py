"""The official script's numbers (its repository at cd0aa83), quirks included, to compare with published tables.

Failed rows are dropped, a dimension of 0 or none is dropped from that
dimension's mean alone, and a dimension without any value reports the value of a
mean of 0, which is -25. The overall number is the micro average of
`total_score`. For numbers to rely on see `strict`.
"""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from agentworld_dag.benchmark.judged import TOTAL, JudgedRow
from agentworld_dag.errors import EvaluationError
from agentworld_dag.training.judge import DIMENSIONS

INVALID = 0
"""The script's mark for a score that is none."""


def official_scores(rows: Sequence[JudgedRow]) -> dict[str, Any]:
    """`{"domains": {DOMAIN: {DIMENSION: value, "valid": n, "failed": n}}, "overall": value}`.

    Values from 0 to 100 where scores are from 1 to 5; `overall` is None without a valid row. Raises EvaluationError on
    a score that is no number, on which the script itself stops.
    """
    domains = {name: [row for row in rows if row.domain == name] for name in sorted({row.domain for row in rows})}
    totals = [value for mine in domains.values() for value in _values(_valid(mine), TOTAL)]
    return {
        "domains": {name: _domain(mine) for name, mine in domains.items()},
        "overall": normalised(mean(totals)) if totals else None,
    }


def normalised(score: float) -> float:
    """1 to 5 becomes 0 to 100."""
    return (score - 1) / 4 * 100


def _domain(rows: Sequence[JudgedRow]) -> dict[str, Any]:
    valid = _valid(rows)
    found = {name: normalised(_mean(_values(valid, name))) for name in (*DIMENSIONS, TOTAL)} if valid else {}
    return {**found, "valid": len(valid), "failed": len(rows) - len(valid)}


def _valid(rows: Sequence[JudgedRow]) -> list[JudgedRow]:
    return [row for row in rows if not row.failed]


def _values(rows: Sequence[JudgedRow], name: str) -> list[float]:
    return [_number(row, name) for row in rows if row.fields.get(name, INVALID) != INVALID]


def _number(row: JudgedRow, name: str) -> float:
    value = row.fields[name]
    if not isinstance(value, int | float):
        raise EvaluationError(
            f"line {row.line}: {name} is {value!r}; the official script stops on a score that is no number. "
            "Judge that row again, or use --protocol strict, which counts it as failed"
        )
    return value


def _mean(values: Sequence[float]) -> float:
    return mean(values) if values else 0.0
