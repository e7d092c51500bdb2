"""Means and ratios of a few repetitions, with 95 % intervals.

The contestants of one repetition run one after the other, so its ratio is
hardly touched by a machine that is slower today. Rates and ratios are averaged
as logs, and few repetitions ask for Student's t: a bootstrap of three is too
narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    """NaN where a single repetition tells nothing of the spread."""
    high: float

    def __str__(self) -> str:
        value = shown(self.value)
        return value if np.isnan(self.low) else f"{value} [{shown(self.low)}, {shown(self.high)}]"


def mean(values: Sequence[float]) -> Interval:
    """Geometric mean of independent repetitions, all above 0."""
    logs = np.log(values)
    middle, reach = np.mean(logs), np.nan
    if len(logs) > 1:
        reach = t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1) * np.std(logs, ddof=1) / np.sqrt(len(logs))
    return Interval(*(float(np.exp(end)) for end in (middle, middle - reach, middle + reach)))


def ratio(above: Sequence[float], below: Sequence[float]) -> Interval:
    """Of the repetitions' ratios. Raises ValueError when they do not pair up."""
    return mean([one / other for one, other in zip(above, below, strict=True)])


def verdict(found: Interval, aim: float) -> str:
    """What the interval says of an aim to reach at least."""
    said = "met" if found.low >= aim else "not met" if found.high < aim else "open"
    return f"{aim:g}: {said}"


def shown(number: float) -> str:
    """Three figures; the whole number from 1,000 on."""
    return f"{number:,.0f}" if abs(number) >= 999.5 else f"{number:#.3g}".rstrip(".")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
