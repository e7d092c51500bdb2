"""Whether a new champion is worse in the real environment than the one before it.

Both answer the same fresh episodes of a probe, so the lead is paired. It is
looked at once per probe for a few probes only, and each look gets its part of
the allowed error (Bonferroni), so that looking several times costs no more
than was promised. A slow decline later on is the drift sensor's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from agentworld_dag.monitoring.settings import Review


@dataclass(frozen=True)
class Lead:
    """By how much a champion was ahead of the one before it in one probe."""

    probe: str
    value: float
    error: float | None
    """Standard error; None where there was a single episode."""


@dataclass(frozen=True)
class Regression:
    worse: bool
    reason: str
    """For people."""


def regression(leads: Sequence[Lead], limits: Review) -> Regression:
    """`leads`: of the champion's probes in order, the first of a probe counting once."""
    counted = list({lead.probe: lead for lead in reversed(leads)}.values())[::-1][: limits.regression_probes]
    if not counted:
        return Regression(False, "no probe has compared it with the champion before it yet")
    told = [(lead, _upper(lead, limits)) for lead in counted]
    for lead, upper in told:
        if upper < 0:
            return Regression(True, _words(lead, upper, limits))
    return Regression(False, _words(*told[-1], limits))


def lead_of(probe: str, found: Mapping[str, float | None]) -> Lead | None:
    """From what a probe wrote down; None where there was no champion before."""
    value = found.get("value")
    return None if value is None else Lead(probe, value, found.get("error"))


def _upper(lead: Lead, limits: Review) -> float:
    """Upper bound of the lead, at the confidence that is left to one of several looks."""
    if lead.error is None:
        return float("inf")
    allowed = (1 - limits.regression_confidence) / limits.regression_probes
    return lead.value + NormalDist().inv_cdf(1 - allowed) * lead.error


def _words(lead: Lead, upper: float, limits: Review) -> str:
    return (
        f"probe {lead.probe}: ahead of the champion before it by {lead.value:+.3f}, at most {upper:+.3f} at "
        f"{limits.regression_confidence:.0%} confidence over {limits.regression_probes} probes"
    )
