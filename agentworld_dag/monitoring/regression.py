"""Whether a new champion is worse in the real environment than the one before it.

Both answer the same fresh episodes of a probe, so the lead is paired, and the
probe says how often chance alone would make it so low. It is looked at once per
probe for a few probes only, and each look gets its part of the allowed error
(Bonferroni), so that looking several times costs no more than was promised. A slow
decline later on is the drift sensor's business.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from agentworld_dag.monitoring.settings import Review


@dataclass(frozen=True)
class Lead:
    """By how much a champion was ahead of the one before it in one probe."""

    probe: str
    value: float
    chance: float
    """How often two equally good champions would differ so, to the newer one's loss."""


@dataclass(frozen=True)
class Regression:
    worse: bool
    reason: str
    """For people."""


def regression(leads: Iterable[Lead], limits: Review) -> Regression:
    """`leads`: of the champion's probes in order, of which no more are asked for than count."""
    counted = list(islice(_first_of_each_probe(leads), limits.regression_probes))
    if not counted:
        return Regression(False, "no probe has compared it with the champion before it yet")
    allowed = (1 - limits.regression_confidence) / limits.regression_probes
    worse = next((lead for lead in counted if lead.chance <= allowed), None)
    return Regression(worse is not None, _words(worse or counted[-1], allowed, limits))


def _first_of_each_probe(leads: Iterable[Lead]) -> Iterator[Lead]:
    known: set[str] = set()
    for lead in leads:
        if lead.probe not in known:
            known.add(lead.probe)
            yield lead


def lead_of(probe: str, found: Mapping[str, float]) -> Lead | None:
    """From what a probe wrote down; None where there was no champion before, or nothing was said of chance."""
    return Lead(probe, found["value"], found["chance"]) if "chance" in found else None


def _words(lead: Lead, allowed: float, limits: Review) -> str:
    return (
        f"probe {lead.probe}: ahead of the champion before it by {lead.value:+.3f}; by chance alone it would be so low "
        f"with probability {lead.chance:.4f}, and {allowed:.4f} is asked for at {limits.regression_confidence:.0%} "
        f"confidence over {limits.regression_probes} probes"
    )
