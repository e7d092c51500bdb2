"""From probes to a decision: ask for another round, or say why not.

A pure function of what is on record, and no state of its own: a restart, a
second daemon or a replayed cursor comes to the same decision under the same
key, and a key starts one run. Probes count in the order they came in, which is
what the promise about false alarms rests on: a missing one costs its evidence,
a late one counts when it comes, one that comes twice counts the first time.

An alarm is raised when the evidence reaches its threshold and holds until the
evidence has fallen below `quiet_share` of it: a simulator that hovers at the
threshold is not retrained twice for one drop. A new champion starts anew.
Which retrainings there were, and what they cost, the caller knows. One that
failed is followed by another after the cool-down, within the week's budgets;
one that brought a candidate by none until somebody has decided on it. Where a
candidate was rejected, only later probes are evidence for another retraining.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from agentworld_dag.monitoring.detector import Detector, floor_of, log_threshold
from agentworld_dag.monitoring.settings import Watch

HOUR_S, WEEK_S = 3600.0, 7 * 24 * 3600.0


@dataclass(frozen=True)
class Probe:
    """Fresh real episodes, answered by the champion."""

    id: str
    scores: tuple[float, ...]
    """The share of exact answers in each episode."""
    at: float = 0.0
    """When it came in, in epoch seconds."""


@dataclass(frozen=True)
class Reference:
    """What the champion was promoted with."""

    champion: str
    fidelity: float
    low: float
    """Lower bound of its one-sided 90 % confidence interval: the tolerance covers the rest."""


@dataclass(frozen=True)
class Retraining:
    """One that was asked for."""

    champion: str
    """Who was in use then."""
    asked_at: float
    """Epoch seconds."""
    gpu_s: float
    """Used in the last week."""
    running: bool
    undecided: bool = False
    """Whether it brought a candidate on which nobody has decided yet."""


@dataclass(frozen=True)
class Alarm:
    probe: str
    """The probe that raised it."""
    detector: Detector


@dataclass(frozen=True)
class Decision:
    reason: str
    key: str | None = None
    """Names the retraining that is asked for; None asks for none."""
    alarm_at: float = 0.0
    """When the probe that raised the alarm came in; 0.0 without an alarm."""


def decide(
    reference: Reference,
    probes: Sequence[Probe],
    retrainings: Sequence[Retraining],
    limits: Watch,
    now: float,
    since: float = 0.0,
) -> Decision:
    """`probes`: those of this champion, in the order they came in, of which those `since` then are evidence.

    `now` and `since`: epoch seconds.
    """
    large = list(counted(probes, limits))
    usable = [probe for probe in large if probe.at >= since]
    *_, found = watched(reference, usable, limits)
    told = _told(reference, usable, len({probe.id for probe in probes}) - len(large), found.detector, limits)
    if not found.probe:
        return Decision(f"no drop: {told}")
    alarm_at = next(probe.at for probe in usable if probe.id == found.probe)
    if obstacle := held(retrainings, limits, now):
        return Decision(f"drop since probe {found.probe}, but {obstacle}: {told}", alarm_at=alarm_at)
    attempt = sum(each.champion == reference.champion for each in retrainings)
    key = f"{reference.champion}-{found.probe}-{attempt}"
    return Decision(f"drop since probe {found.probe}: {told}", key, alarm_at)


def counted(probes: Iterable[Probe], limits: Watch) -> Iterator[Probe]:
    """Each probe that is large enough, the first time it comes."""
    known = set()
    for probe in probes:
        if probe.id not in known and len(probe.scores) >= limits.least_episodes:
            known.add(probe.id)
            yield probe


def watched(reference: Reference, probes: Iterable[Probe], limits: Watch) -> Iterator[Alarm]:
    """The alarm before the first of the counted probes and after each; its `probe` is empty where there is none."""
    found = Alarm("", Detector(floor_of(reference.low, limits.tolerance)))
    yield found
    raise_at = log_threshold(limits.false_alarm_share)
    for probe in probes:
        detector = found.detector.after(probe.scores)
        holds_from = raise_at + (log(limits.quiet_share) if found.probe else 0.0)
        raised = detector.log_evidence >= holds_from
        found = Alarm((found.probe or probe.id) if raised else "", detector)
        yield found


def held(retrainings: Sequence[Retraining], limits: Watch, now: float) -> str:
    """Why nothing is started although it should be; empty where nothing stands in the way."""
    return next(_obstacles(retrainings, limits, now), "")


def _obstacles(retrainings: Sequence[Retraining], limits: Watch, now: float) -> Iterator[str]:
    if any(each.running for each in retrainings):
        yield "a retraining is under way"
    if any(each.undecided for each in retrainings):
        yield "nobody has decided yet on the candidate that the last retraining brought"
    last = max((each.asked_at for each in retrainings), default=-np.inf)
    if (left_h := limits.cool_down_h - (now - last) / HOUR_S) > 0:
        yield f"the last retraining was asked for too lately, {left_h:.1f} h of {limits.cool_down_h:g} h are left"
    week = [each for each in retrainings if now - each.asked_at < WEEK_S]
    if len(week) >= limits.retrainings_per_week:
        yield f"the week's {limits.retrainings_per_week} retrainings are used up"
    spent_h = sum(each.gpu_s for each in retrainings) / HOUR_S
    if spent_h >= limits.gpu_hours_per_week:
        yield f"{spent_h:.1f} of the week's {limits.gpu_hours_per_week:g} GPU-hours are used up"


def _told(reference: Reference, probes: Sequence[Probe], small: int, detector: Detector, limits: Watch) -> str:
    """The numbers behind a decision, for people."""
    left_out = f"; {small} with fewer than {limits.least_episodes} episodes left out" if small else ""
    if not probes:
        return f"no probe of {reference.champion} yet{left_out}"
    last = probes[-1]
    return (
        f"probe {last.id} is exact in {np.mean(last.scores):.3f} of {len(last.scores)} episodes' turns, "
        f"{reference.champion} was in {reference.fidelity:.3f} and may be in {detector.floor:.3f}; log evidence "
        f"{detector.log_evidence:.1f} over {detector.probes} probes, an alarm at "
        f"{log_threshold(limits.false_alarm_share):.1f}{left_out}"
    )
