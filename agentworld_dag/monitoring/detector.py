"""A test for a drop in fidelity that may be looked at after every probe, for as long as a simulator is in use.

Every probe multiplies what one would own who bets on "the simulator is now
right less often than `floor`": an episode with the exact share x pays
1 + stake * (floor - x). While the true mean of a probe is at least the floor,
every bet loses on average (Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting", 2024). A drop may begin at any time, so a
new bet of one unit is opened before every probe and the sum of all is watched:
the Shiryaev-Roberts e-detector (Shin, Ramdas and Rinaldo, "E-detectors", 2024).
Its expectation after n quiet probes is at most n, so by Doob's inequality

    P(the sum reaches c within n quiet probes) <= n / c,

whatever the distribution of the scores and the sizes of the probes, however
often one looks, and with probes missing or late; c is also a lower bound of
the mean time to a false alarm, in probes. Several stakes are mixed, for nobody
knows the size of a drop beforehand. Left out: when the drop began, and a rise
in fidelity, which asks for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agentworld_dag.errors import EvaluationError

STAKES = (0.05, 0.1, 0.2, 0.35, 0.5)
"""Shares of the largest stake that cannot lose everything."""
QUIET_PROBES = 100
"""The first so many probes, all of them quiet, for which a share of false alarms is promised."""


@dataclass(frozen=True)
class Detector:
    """The state of the test: a few numbers, kept from probe to probe."""

    floor: float
    """Lowest mean exact share, between 0 and 1, that is no drop."""
    log_wealth: tuple[float, ...] = (-np.inf,) * len(STAKES)
    """Logarithm of the summed bets, by stake."""
    probes: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < 1.0:
            raise EvaluationError(f"a floor of {self.floor:g} cannot be tested; expected a share between 0 and 1")

    @property
    def log_evidence(self) -> float:
        """Logarithm of the mean over the stakes; -inf before the first probe."""
        return float(np.logaddexp.reduce(self.log_wealth) - np.log(len(STAKES)))

    def after(self, scores: Sequence[float]) -> "Detector":
        """The state after one more probe; `scores`: the exact share of each of its episodes.

        Raises EvaluationError on a score that is no share.
        """
        found = np.asarray(scores, dtype=np.float64)
        if not ((found >= 0.0) & (found <= 1.0)).all():
            raise EvaluationError(
                f"a probe's scores must be shares from 0 to 1, found {found.min():g} and {found.max():g}"
            )
        stakes = np.array(STAKES) / (1.0 - self.floor)
        payoff = np.log1p(np.outer(stakes, self.floor - found)).sum(axis=1)
        wealth = np.logaddexp(self.log_wealth, 0.0) + payoff
        return replace(self, log_wealth=tuple(wealth.tolist()), probes=self.probes + 1)


def log_threshold(false_alarm_share: float) -> float:
    """What `log_evidence` must reach, for at most this share of false alarms in QUIET_PROBES quiet probes."""
    return float(np.log(QUIET_PROBES / false_alarm_share))


def floor_of(reference_low: float, tolerance: float) -> float:
    """The floor below a reference, of which `reference_low` is a lower confidence bound."""
    return min(max(reference_low - tolerance, 0.01), 0.99)
