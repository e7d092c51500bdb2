"""Checks out of real trajectories, on the three axes of the paper's Appendix C, each proven before it is kept.

A candidate's answer comes from the rules of `shell_rules`, never from the
recording. It is kept when it accepts the recorded truth and rejects every
planted corruption. What is kept then meets answers made to deceive; how many it
accepts is the instrument's own error. Trajectories of other domains, and those
with a turn that has no answer or no state, give no checks. A language model as
a last filter, which the paper has, is left out.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agentworld_dag.benchmark.candidates import Candidate, controllability_candidates, error_candidates
from agentworld_dag.benchmark.checks import AXES, Axis, Check, accepts
from agentworld_dag.benchmark.consistency import consistency_candidates
from agentworld_dag.benchmark.corruptions import adversarial_outputs, corruptions
from agentworld_dag.benchmark.extraction import predicted_observation
from agentworld_dag.errors import EvaluationError
from agentworld_dag.trajectories.schema import Trajectory


@dataclass(frozen=True)
class CheckSuite:
    """The checks kept, every trajectory one of them is about, and how they were come by."""

    trajectories: tuple[Trajectory, ...]
    checks: tuple[Check, ...]
    generated: dict[Axis, int]
    kept: dict[Axis, int]
    """Proven, before any were left out for `most_per_axis`."""
    dropped: dict[str, int]
    """By axis and reason."""
    adversarial: dict[Axis, int]
    """Deceiving answers shown to the checks kept."""
    false_accepts: dict[Axis, int]
    fooled_by: dict[str, int]
    """False accepts by how they deceived."""

    def counts(self) -> dict[str, Any]:
        """What `checks.json` holds."""
        names = ("generated", "kept", "dropped", "adversarial", "false_accepts", "fooled_by")
        chosen = Counter(check.axis for check in self.checks)
        return {name: getattr(self, name) for name in names} | {"checks": {axis: chosen[axis] for axis in AXES}}


def build_checks(trajectories: Sequence[Trajectory], seed: int, most_per_axis: int | None = None) -> CheckSuite:
    """A suite, the same for the same arguments; `most_per_axis` draws evenly over rules and distances.

    Raises EvaluationError when no check is kept.
    """
    draw = random.Random(seed)
    proposed = [found for trajectory in trajectories if _usable(trajectory) for found in _candidates(trajectory, draw)]
    reasons = [_disproof(found, draw) for found in proposed]
    kept = [found for found, reason in zip(proposed, reasons, strict=True) if not reason]
    if not kept:
        raise EvaluationError(
            f"no check is kept of {len(proposed)} from {len(trajectories)} trajectories; expected recorded terminal "
            "sessions with states, such as held_out.parquet of trajectory_splits"
        )
    shown, fooled = _false_accepts(kept, draw)
    chosen = [found for axis in AXES for found in _spread(_on(kept, axis), most_per_axis, draw)]
    return CheckSuite(
        tuple({found.trajectory.id: found.trajectory for found in chosen}.values()),
        tuple(found.check for found in chosen),
        {axis: len(_on(proposed, axis)) for axis in AXES},
        {axis: len(_on(kept, axis)) for axis in AXES},
        dict(Counter(f"{f.check.axis}: {reason}" for f, reason in zip(proposed, reasons, strict=True) if reason)),
        {axis: shown[axis] for axis in AXES},
        {axis: sum(count for (of, _), count in fooled.items() if of == axis) for axis in AXES},
        dict(Counter(name for (_, name), count in fooled.items() for _ in range(count))),
    )


def _usable(trajectory: Trajectory) -> bool:
    known = (turn.observation is not None and turn.state is not None for turn in trajectory.turns)
    return trajectory.domain == "terminal" and bool(trajectory.turns) and all(known)


def _candidates(trajectory: Trajectory, draw: random.Random) -> Iterator[Candidate]:
    yield from error_candidates(trajectory)
    yield from consistency_candidates(trajectory)
    yield from controllability_candidates(trajectory, draw)


def _disproof(found: Candidate, draw: random.Random) -> str:
    """Why a candidate is no check; empty when it is one."""
    check = found.check
    if not accepts(check, found.truth):
        return "the truth is rejected"
    planted = corruptions(found.truth, check.expected, found.action, _words(found.trajectory), draw)
    wrong = planted | dict(found.contradictions)
    return next((f"{name} is accepted" for name, text in wrong.items() if accepts(check, text)), "")


def _false_accepts(kept: Sequence[Candidate], draw: random.Random) -> tuple[Counter[Axis], Counter[tuple[Axis, str]]]:
    """Deceiving answers shown, by axis, and accepted, by axis and name: raw, or after the answer was extracted."""
    shown: Counter[Axis] = Counter()
    fooled: Counter[tuple[Axis, str]] = Counter()
    for found in kept:
        outputs = adversarial_outputs(found.truth, found.action, found.last, draw.choice(kept).truth, draw)
        shown[found.check.axis] += len(outputs)
        for name, text in outputs.items():
            accepted = accepts(found.check, text) or accepts(found.check, predicted_observation(text))
            fooled[found.check.axis, name] += accepted
    return shown, fooled


def _spread(found: Sequence[Candidate], most: int | None, draw: random.Random) -> list[Candidate]:
    """At most `most`, one of each rule and distance in turn, so that rare ones stay; in their first order."""
    strata: dict[tuple[str, int | None], list[int]] = defaultdict(list)
    for index in draw.sample(range(len(found)), len(found)):
        strata[found[index].check.rule, found[index].check.horizon].append(index)
    rounds = sorted((rank, index) for indices in strata.values() for rank, index in enumerate(indices))
    return [found[index] for index in sorted(index for _, index in rounds[:most])]


def _on(found: Sequence[Candidate], axis: Axis) -> list[Candidate]:
    return [each for each in found if each.check.axis == axis]


def _words(trajectory: Trajectory) -> list[str]:
    texts = (f"{turn.action} {turn.observation}" for turn in trajectory.turns)
    return re.findall(r"[a-z]+", " ".join((trajectory.system.initial_state, *texts)))
