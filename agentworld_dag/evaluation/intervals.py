"""Numbers with 95 % percentile bootstrap intervals, resampled by cluster.

Turns of one trajectory and rollouts of one task are not independent, so whole
clusters are drawn. Every statistic is a function of means, evaluated on all
replicates at once, and the clusters drawn are the same for every sample of a
statistic: that is what makes a difference paired.

Several seeds meet the same trajectories and tasks, so seeds and clusters are
crossed, not nested: each is drawn on its own and their deviations are added.
(Drawing both at once, the pigeonhole bootstrap of Owen 2007, counts the noise
of a single answer three times; adding counts it twice, on the safe side.) Of S
seeds S - 1 are drawn, as Rao and Wu 1988: S of so few are too narrow. Left
out: p-values, corrections for many claims.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from agentworld_dag.errors import EvaluationError

TAIL = 0.025
UNBOUNDED = (-np.inf, np.inf)
SHARE = (0.0, 1.0)
Floats = NDArray[np.float64]
Statistic = Callable[..., Floats]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Scored samples behind it, failed ones included."""
    clusters: int
    """Independent clusters among them."""


@dataclass(frozen=True)
class Sample:
    """Scores of one side, each with the cluster and the seed it belongs to."""

    values: Floats
    clusters: NDArray[np.str_]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Resampling:
    """How many replicates, drawn from which random seed."""

    samples: int
    seed: int


def measured(statistic: Callable[..., Estimate], *samples: Sample, plan: Resampling) -> Estimate | None:
    """`statistic` of the samples, or None where one of them was not measured."""
    return statistic(*samples, plan) if all(map(len, samples)) else None


def scored(rows: pl.DataFrame, column: str, cluster: str) -> Sample:
    """Scores in `column`; a row marked failed, or without a score, scores 0 whatever it holds."""
    score = pl.when(pl.col("failed")).then(0.0).otherwise(pl.col(column).cast(pl.Float64).fill_null(0.0))
    return Sample(
        rows.select(score).to_series().to_numpy().astype(np.float64),
        rows[cluster].cast(pl.String).to_numpy().astype(np.str_),
        rows["seed"].to_numpy().astype(np.int64),
    )


def as_json(found: Estimate | None) -> dict[str, float | int | None]:
    """The record of an estimate; one that could not be measured keeps its keys, with n = 0."""
    return asdict(found) if found else {"value": None, "low": None, "high": None, "n": 0, "clusters": 0}


def mean(sample: Sample, plan: Resampling, full: float = 1.0) -> Estimate:
    """Of scores from 0 to `full`. Raises EvaluationError on an empty sample."""
    return average([sample], plan, full)


def average(samples: Sequence[Sample], plan: Resampling, full: float = 1.0) -> Estimate:
    """Mean of the samples' means, whatever their sizes, of scores from 0 to `full`.

    Raises EvaluationError on an empty sample.
    """
    _refuse_empty(samples)
    seen = np.unique(np.concatenate([sample.values for sample in samples]))
    found = estimate(lambda *means: np.mean(means, axis=0), samples, plan, (seen[0], seen[-1]))
    return _opened(found, full) if set(seen) in ({0.0}, {full}) else found


def difference(first: Sample, second: Sample, plan: Resampling) -> Estimate:
    """Mean of `first` minus mean of `second`, paired by cluster."""
    return estimate(lambda a, b: a - b, [first, second], plan)


def ratio(first: Sample, second: Sample, plan: Resampling) -> Estimate:
    """Mean of `first` over mean of `second`, paired by cluster. Raises EvaluationError where the latter is 0."""
    return estimate(divided, [first, second], plan)


def best(sides: Iterable[Sample]) -> Sample:
    """The side with the highest mean."""
    return max(sides, key=lambda side: side.values.mean())


def estimate(
    statistic: Statistic, samples: Sequence[Sample], plan: Resampling, possible: tuple[float, float] = UNBOUNDED
) -> Estimate:
    """Any function of the samples' means, `possible` its least and largest value: added deviations may lead past them.

    Raises EvaluationError on an empty sample or an undefined value.
    """
    _refuse_empty(samples)
    totals = _totals(samples)
    value = float(statistic(*_means(totals.sum(axis=(0, 1)))))
    if not np.isfinite(value):
        raise EvaluationError(f"the statistic is {value} on this data (a mean of 0 below a ratio); leave it out")
    replicates = statistic(*_means(_drawn(totals.sum(axis=0), plan)))
    if len(totals) > 1:
        by_seed = statistic(*_means(_drawn(totals.sum(axis=1), plan, spare=1)))
        replicates = replicates + by_seed - value
    low, high = np.clip(np.nanquantile(replicates, [TAIL, 1 - TAIL]), *possible)
    return Estimate(value, float(low), float(high), max(map(len, samples)), totals.shape[1])


def divided(above: Floats, below: Floats) -> Floats:
    """`above / below`, NaN where `below` is 0: such a replicate is left out of the interval."""
    return np.divide(above, below, out=np.full_like(np.asarray(above, dtype=np.float64), np.nan), where=below != 0)


def _refuse_empty(samples: Sequence[Sample]) -> None:
    for position, sample in enumerate(samples):
        if len(sample) == 0:
            raise EvaluationError(f"sample {position} of {len(samples)} is empty; an interval needs at least one score")
        if not np.isfinite(sample.values).all():
            raise EvaluationError(f"sample {position} of {len(samples)} holds a score that is not a finite number")


def _totals(samples: Sequence[Sample]) -> Floats:
    """Sum and count per [seed, cluster, sample, 2]."""
    seeds, seed_of = np.unique(np.concatenate([s.seeds for s in samples]), return_inverse=True)
    clusters, cluster_of = np.unique(np.concatenate([s.clusters for s in samples]), return_inverse=True)
    sample_of = np.repeat(np.arange(len(samples)), [len(s) for s in samples])
    shape = (len(seeds), len(clusters), len(samples))
    cell_of = np.ravel_multi_index((seed_of, cluster_of, sample_of), shape)
    size = int(np.prod(shape))
    sums = np.bincount(cell_of, np.concatenate([s.values for s in samples]), size)
    return np.stack([sums, np.bincount(cell_of, minlength=size)], axis=-1).reshape(*shape, 2).astype(np.float64)


def _drawn(totals: Floats, plan: Resampling, spare: int = 0) -> Floats:
    """Totals per [replicate, sample, 2] when units, the first axis, are drawn with replacement, all but `spare`."""
    units = len(totals)
    draws = _draws(plan, units, units - spare)
    return (draws @ totals.reshape(units, -1)).reshape(plan.samples, *totals.shape[1:])


@lru_cache(maxsize=16)
def _draws(plan: Resampling, units: int, drawn: int) -> Floats:
    """How often each unit is drawn, per [replicate, unit]."""
    rng = np.random.default_rng([plan.seed, units, drawn])
    return rng.multinomial(drawn, np.full(units, 1 / units), size=plan.samples).astype(np.float64)


def _means(totals: Floats) -> list[Floats]:
    return [divided(totals[..., k, 0], totals[..., k, 1]) for k in range(totals.shape[-2])]


def _opened(found: Estimate, full: float) -> Estimate:
    """All right or all wrong leaves a bootstrap no spread: the far end is the exact binomial bound on clusters."""
    reach = full * (1 - TAIL ** (1 / found.clusters))
    low, high = (0.0, reach) if found.value == 0 else (full - reach, full)
    return Estimate(found.value, low, high, found.n, found.clusters)
