"""Strict scores by how far into a trajectory a turn is and by the kind of its action.

A file of judged rows does not hold the actions: the samples come from the
benchmark's folder. Rows of samples that are not there are counted and left out
of the breakdown.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from agentworld_dag.benchmark.action_type import action_type
from agentworld_dag.benchmark.judged import JudgedRow, Judgements
from agentworld_dag.benchmark.samples import BenchSample
from agentworld_dag.benchmark.strict import FULL, by_trajectory, total, usable
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Resampling, mean

TURNS = {"first": 1, "2-3": 3, "4-6": 6}
"""Last turn of each group, counted from 1."""
LATER = "7+"


def breakdown(judged: Judgements, samples: Sequence[BenchSample], plan: Resampling) -> dict[str, Any]:
    """`{"turn": {GROUP: score}, "action": {KIND: score}, "not_in_data": n}`, each score with interval and failures.

    Scores from 0 to 100, a failure at 0; kinds with the most rows first. Raises EvaluationError when no row's sample
    is among the samples.
    """
    known = {(sample.domain, sample.id, str(sample.turn)): sample for sample in samples}
    found = [(row, known[row.sample]) for row in judged.rows if row.sample in known]
    if not found:
        raise EvaluationError(f"{judged.path} holds no row of a sample in the benchmark given; name the one it is of")
    turns = _grouped(found, lambda sample: turn_group(sample.turn))
    kinds = _grouped(found, lambda sample: action_type(sample.actions[-1]))
    return {
        "turn": {name: _score(turns[name], plan) for name in (*TURNS, LATER) if name in turns},
        "action": {name: _score(kinds[name], plan) for name in sorted(kinds, key=lambda k: (-len(kinds[k]), k))},
        "not_in_data": len(judged.rows) - len(found),
    }


def turn_group(turn: int) -> str:
    return next((name for name, last in TURNS.items() if turn <= last), LATER)


def _grouped(
    found: Sequence[tuple[JudgedRow, BenchSample]], group: Callable[[BenchSample], str]
) -> dict[str, list[JudgedRow]]:
    groups: dict[str, list[JudgedRow]] = defaultdict(list)
    for row, sample in found:
        groups[group(sample)].append(row)
    return groups


def _score(rows: Sequence[JudgedRow], plan: Resampling) -> dict[str, Any]:
    return asdict(mean(by_trajectory(rows, total), plan, FULL)) | {"failed": sum(not usable(row) for row in rows)}
