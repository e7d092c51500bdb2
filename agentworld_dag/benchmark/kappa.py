"""Agreement of two judges beyond chance, sample by sample: Cohen's kappa with quadratic weights.

One less the mean squared difference over what two judges would differ by that
gave the same scores to samples at random. It is a function of five means, so
its interval is the clustered bootstrap of every other number here.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from agentworld_dag.benchmark.judged import Judgements
from agentworld_dag.benchmark.strict import usable
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Estimate, Floats, Resampling, Sample, divided, estimate
from agentworld_dag.training.judge import DIMENSIONS

TOTAL = "total"
"""The sum of the dimensions, 5 to 25."""
Rubrics = Sequence[Mapping[str, int]]


def quadratic_kappa(
    first: Sequence[int], second: Sequence[int], clusters: Sequence[str], plan: Resampling
) -> Estimate | None:
    """None where it is not defined: nothing judged, or both judges gave one and the same score throughout."""
    one, other = (np.array(scores, dtype=np.float64) for scores in (first, second))
    if not len(one) or (np.ptp([*one, *other]) == 0):
        return None
    columns = ((one - other) ** 2, one, other, one**2, other**2)
    return estimate(_kappa, [_sample(column, clusters) for column in columns], plan)


def kappas(first: Rubrics, second: Rubrics, clusters: Sequence[str], plan: Resampling) -> dict[str, Estimate | None]:
    """By dimension, and of the total."""
    found = {
        name: quadratic_kappa([row[name] for row in first], [row[name] for row in second], clusters, plan)
        for name in DIMENSIONS
    }
    return found | {TOTAL: quadratic_kappa(_totals(first), _totals(second), clusters, plan)}


def agreement(first: Judgements, second: Judgements, plan: Resampling) -> dict[str, Estimate | None]:
    """Kappas on the samples that both judged with five integers. Raises EvaluationError when there is none."""
    ours, theirs = ({row.sample: row for row in side.rows if usable(row)} for side in (first, second))
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise EvaluationError(
            f"{first.path} and {second.path} share no sample (task, id, turn_idx) that both judged: nothing to compare"
        )
    one, other = ([_rubric(rows[key].fields) for key in shared] for rows in (ours, theirs))
    return kappas(one, other, ["/".join(key[:2]) for key in shared], plan)


def _kappa(squared: Floats, one: Floats, other: Floats, one_squared: Floats, other_squared: Floats) -> Floats:
    return 1 - divided(squared, one_squared + other_squared - 2 * one * other)


def _sample(values: Floats, clusters: Sequence[str]) -> Sample:
    return Sample(values, np.array(clusters, dtype=np.str_), np.zeros(len(values), dtype=np.int64))


def _rubric(fields: Mapping[str, int]) -> dict[str, int]:
    return {name: fields[name] for name in DIMENSIONS}


def _totals(rubrics: Rubrics) -> list[int]:
    return [sum(row[name] for name in DIMENSIONS) for row in rubrics]
