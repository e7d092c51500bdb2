"""What a judge's trial must have shown before its scores count, claim by claim.

Limits come from the preset. A measure with fewer usable answers than the preset
asks for does not hold: what was not measured never passes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agentworld_dag.benchmark.settings import JudgeTrial
from agentworld_dag.benchmark.trial import Trial
from agentworld_dag.evaluation.intervals import Estimate


@dataclass(frozen=True)
class Bound:
    """One measure and the limit that it must keep."""

    measure: str
    limit: float
    least: bool
    """Whether the limit is the lowest value allowed, or the highest."""

    def holds(self, found: Estimate | None, least_measured: int) -> bool:
        if found is None or found.n < least_measured:
            return False
        return found.value >= self.limit if self.least else found.value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.least else 'at most'} {self.limit:g}"


@dataclass(frozen=True)
class Verdict:
    name: str
    """The claim."""
    holds: bool
    evidence: str


def verdicts(trial: Trial, limits: JudgeTrial) -> list[Verdict]:
    """One for each claim that the limits make."""
    return [
        Verdict(
            claim,
            all(bound.holds(trial.measures[bound.measure], limits.least_measured) for bound in bounds),
            "; ".join(_told(bound, trial.measures[bound.measure], limits.least_measured) for bound in bounds),
        )
        for claim, bounds in claims(limits).items()
    ]


def claims(limits: JudgeTrial) -> Mapping[str, tuple[Bound, ...]]:
    """The bounds of each claim; without a least kappa `judges_agree` is not claimed."""
    found = {
        "gold_answers_score_the_maximum": (_least("gold_maximum_share", limits.least_gold_share),),
        "planted_errors_cost_points": (
            _least("planted_cost", limits.least_planted_cost),
            _least("planted_share", limits.least_planted_share),
        ),
        "the_judge_repeats_itself": (_most("retest_spread", limits.most_retest_spread),),
        "order_does_not_matter": (_most("position_bias", limits.most_bias),),
        "length_earns_nothing": _gain("length", limits.most_bias, limits),
        "praise_earns_nothing": _gain("praise", limits.most_gain, limits),
        "judge_keywords_earn_nothing": _gain("echo", limits.most_gain, limits),
        "forged_references_earn_nothing": _gain("forged", limits.most_gain, limits),
        "pleas_earn_nothing": _gain("plea", limits.most_gain, limits),
        "judge_answers_are_usable": (_most("unusable_share", limits.most_unusable_share),),
    }
    if limits.least_kappa is not None:
        found["judges_agree"] = (_least("kappa", limits.least_kappa),)
    return found


def _least(measure: str, limit: float) -> Bound:
    return Bound(measure, limit, least=True)


def _most(measure: str, limit: float) -> Bound:
    return Bound(measure, limit, least=False)


def _gain(probe: str, most: float, limits: JudgeTrial) -> tuple[Bound, ...]:
    return _most(f"{probe}_gain", most), _most(f"{probe}_clear_gain_share", limits.most_clear_gain_share)


def _told(bound: Bound, found: Estimate | None, least_measured: int) -> str:
    if found is None:
        return f"{bound.measure} was not measured: no usable answer, or no two different scores"
    few = f", fewer than the {least_measured} that count" if found.n < least_measured else ""
    return f"{bound.measure} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] over {found.n}{few}, {bound}"
