"""What the paper and this project claim, each decided by an interval.

`yes` when the 95 % interval lies wholly on the claimed side, `no` when it lies
wholly on the other, `undecided` otherwise, also where a side was not measured
or too few clusters carry the interval. A claim that does not hold is a result.
A sampled claim has its control, what a lower temperature alone would give the
untrained side, wherever that side was measured at lower temperatures.
No correction for the number of claims is made: of twenty, one may be wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agentworld_dag.evaluation.accounts import Accounts, Verdict, break_even
from agentworld_dag.evaluation.calibration import auroc
from agentworld_dag.evaluation.error_path import in_group, real_ok, sim_ok
from agentworld_dag.evaluation.intervals import (
    Estimate,
    Resampling,
    Sample,
    best,
    difference,
    estimate,
    mean,
)
from agentworld_dag.evaluation.measurements import (
    ARMS,
    CHECKPOINTS,
    GREEDY,
    SAMPLED,
    Measurements,
    controls,
    copied,
    drift,
    fidelity,
    native_mode,
    success,
)

GREEDY_MARGIN = 0.02
"""How far greedy exact match may fall under RL: about its noise on 1,500 turns."""
MATCH_MARGIN = 0.05
"""How far the simulator arm may stay below the real one and still match it."""
FLATTERY_MARGIN = 0.05
"""How far simulated success may exceed the real success of the same policy."""
CHANCE = 0.5
"""AUROC of a confidence that knows nothing."""
OPTIMISM_MARGIN = 0.05
"""How much more often than the real shell the simulator may let an action succeed."""
FEW_CLUSTERS = 8
"""Below this a bootstrap interval is too narrow to decide anything."""

NOT_MEASURED = "not measured in this run"
"""Evidence of a claim that has none."""
NOT_MEASURED = "not measured in this run"
"""The evidence of a claim whose sides were not both measured."""


@dataclass(frozen=True)
class Claim:
    id: str
    claim: str
    holds: Verdict
    evidence: str
    estimate: Estimate | None = None
    threshold: float = 0.0
    """The claim holds where the estimate exceeds this."""


def verdict(found: Estimate, threshold: float = 0.0) -> Verdict:
    """Whether `found` exceeds `threshold`, as far as its interval decides."""
    if found.clusters < FEW_CLUSTERS:
        return "undecided"
    return "yes" if found.low > threshold else "no" if found.high < threshold else "undecided"


def judge(found: Measurements, accounts: Accounts, plan: Resampling) -> list[Claim]:
    """Every claim, in the order of the report."""
    return [
        *world_model_claims(found, plan),
        *drift_claims(found, plan),
        *reliability_claims(found, plan),
        *agent_claims(found, accounts, plan),
    ]


def world_model_claims(found: Measurements, plan: Resampling) -> list[Claim]:
    greedy = {checkpoint: fidelity(found, checkpoint, GREEDY) for checkpoint in CHECKPOINTS}
    sampled = {checkpoint: fidelity(found, checkpoint, SAMPLED) for checkpoint in CHECKPOINTS}
    colder = {checkpoint: _colder_answers(found, checkpoint) for checkpoint in CHECKPOINTS}
    kept = f"RL does not lower greedy exact match (margin {GREEDY_MARGIN})"
    beats_copy = "The world model beats copying the last observation"
    copied_f1, model_f1 = copied(found, "changed_f1"), fidelity(found, "rl", GREEDY, "changed_f1")
    return [
        more("sft_greedy", "SFT raises greedy exact match over CPT", greedy["sft"], greedy["cpt"], plan),
        more("sft_sampled", "SFT raises sampled exact match over CPT", sampled["sft"], sampled["cpt"], plan),
        *_beyond_control("sft_over_temperature", "CPT", sampled["sft"], colder["cpt"], plan),
        more("rl_sampled", "RL raises sampled exact match over SFT", sampled["rl"], sampled["sft"], plan),
        more_than_colder("rl_over_temperature", "SFT", sampled["rl"], colder["sft"], plan),
        more("rl_keeps_greedy", kept, greedy["rl"], greedy["sft"], plan, GREEDY_MARGIN),
        more("copy_exact", f"{beats_copy} (greedy exact match)", greedy["rl"], copied(found), plan),
        more("copy_f1", f"{beats_copy} (greedy changed-part F1)", model_f1, copied_f1, plan),
    ]


def drift_claims(found: Measurements, plan: Resampling) -> list[Claim]:
    ledger, history = (drift(found, mode, "free_running") for mode in ("ledger", "history"))
    early, late = (drift(found, found.mode, "free_running", turns) for turns in _halves(found))
    beats = "Fed its own observations, the model with the ledger is more exact than with plain history"
    falls = "Fidelity falls with the horizon (free-running: first half of the turns over the second)"
    return [
        more("ledger_over_history", beats, ledger, history, plan),
        _drifts_less(found, plan),
        more("falls_with_horizon", falls, early, late, plan),
    ]


def reliability_claims(found: Measurements, plan: Resampling) -> list[Claim]:
    """Of the simulator in the mode it is used in."""
    rows = found.error_path.filter(mode=found.mode)
    passes = f"The simulator does not pass over errors (P(ok) at most {OPTIMISM_MARGIN} above the real one"
    recorded, planted = in_group(rows, "recorded"), in_group(rows, "planted errors")
    return [
        more(
            "not_optimistic",
            f"{passes}, recorded actions)",
            real_ok(recorded),
            sim_ok(recorded),
            plan,
            OPTIMISM_MARGIN,
        ),
        more(
            "not_optimistic_planted",
            f"{passes}, planted errors)",
            real_ok(planted),
            sim_ok(planted),
            plan,
            OPTIMISM_MARGIN,
        ),
        _tells_right_from_wrong(found, plan),
    ]


def agent_claims(found: Measurements, accounts: Accounts, plan: Resampling) -> list[Claim]:
    greedy = {arm: success(found, arm, GREEDY) for arm in ARMS}
    sampled = {arm: success(found, arm, SAMPLED) for arm in ARMS}
    simulated = success(found, "sim_rl", SAMPLED, environment="sim")
    colder = {arm: _colder_success(found, arm) for arm in ARMS}
    warmup = "Warm-up on the world model beats starting from scratch at equal updates"
    beats_base = "Practice in simulation beats its own base in the real shell"
    matches = f"Practice in simulation matches practice in the real shell, gradient steps equal (margin {MATCH_MARGIN})"
    beats_real = "Practice in simulation beats practice in the real shell, gradient steps equal (the paper's claim)"
    beats_scarce = "Practice in simulation beats practice in the real shell on a scarce budget of real steps"
    honest = f"Simulated success does not flatter the policy (margin {FLATTERY_MARGIN})"
    return [
        more("warmup_sampled", f"{warmup} (sampled)", sampled["warmup"], sampled["scratch"], plan),
        *_beyond_control("warmup_over_temperature", "scratch", sampled["warmup"], colder["scratch"], plan),
        more("warmup_greedy", f"{warmup} (greedy)", greedy["warmup"], greedy["scratch"], plan),
        more("sim_over_base_sampled", f"{beats_base} (sampled)", sampled["sim_rl"], sampled["base"], plan),
        more_than_colder("sim_over_temperature", "the base", sampled["sim_rl"], colder["base"], plan),
        more("sim_over_base_greedy", f"{beats_base} (greedy)", greedy["sim_rl"], greedy["base"], plan),
        more("sim_matches_real", matches, sampled["sim_rl"], sampled["real_rl"], plan, MATCH_MARGIN),
        more("sim_beats_real", beats_real, sampled["sim_rl"], sampled["real_rl"], plan),
        more("sim_over_scarce", beats_scarce, sampled["sim_rl"], sampled["real_rl_scarce"], plan),
        *_beyond_control(
            "scarce_over_temperature",
            "the scarce arm",
            sampled["sim_rl"],
            colder["real_rl_scarce"],
            plan,
        ),
        more("sim_is_honest", honest, sampled["sim_rl"], simulated, plan, FLATTERY_MARGIN),
        _saves_real_steps(accounts, matches_real(found, plan)),
    ]


def matches_real(found: Measurements, plan: Resampling) -> Verdict:
    """Whether the simulator arm reaches the real one, within the margin."""
    sim, real = success(found, "sim_rl", SAMPLED), success(found, "real_rl", SAMPLED)
    return verdict(difference(sim, real, plan), -MATCH_MARGIN) if len(sim) and len(real) else "undecided"


def more(name: str, text: str, first: Sample, second: Sample, plan: Resampling, margin: float = 0.0) -> Claim:
    """The claim that `first` scores above `second`, or not below it by more than `margin`."""
    if not (len(first) and len(second)):
        return _not_measured(name, text)
    found = difference(first, second, plan)
    sides = f"{shown(mean(first, plan))} against {shown(mean(second, plan))}"
    evidence = f"{shown(found, signed=True)}: {sides}; {_basis(found)}"
    return Claim(name, text, verdict(found, -margin), evidence, found, -margin)


def more_than_colder(
    name: str, untrained: str, trained: Sample, colder: Mapping[str, Sample], plan: Resampling
) -> Claim:
    """The claim that a trained side, sampled, beats the untrained one at the lower temperature that suits it best."""
    text = f"That sampled gain exceeds what a lower temperature alone gives {untrained}"
    if not (len(trained) and colder and all(map(len, colder.values()))):
        return _not_measured(name, text)
    found = difference(trained, best(colder.values()), plan)
    others = ", ".join(f"{shown(mean(side, plan))} {untrained} {decoding}" for decoding, side in colder.items())
    sides = f"{shown(mean(trained, plan))} against {others}"
    evidence = f"{shown(found, signed=True)} over the best: {sides}; {_basis(found)}"
    return Claim(name, text, verdict(found), evidence, found)


def _beyond_control(
    name: str, untrained: str, trained: Sample, colder: Mapping[str, Sample], plan: Resampling
) -> list[Claim]:
    """The control claim, where the untrained side was measured at lower temperatures at all."""
    return [more_than_colder(name, untrained, trained, colder, plan)] if colder else []


def _colder_answers(found: Measurements, checkpoint: str) -> dict[str, Sample]:
    rows = found.fidelity.filter(checkpoint=checkpoint, mode=native_mode(found, checkpoint))
    return {name: fidelity(found, checkpoint, name) for name in controls(rows)}


def _colder_success(found: Measurements, arm: str) -> dict[str, Sample]:
    return {name: success(found, arm, name) for name in controls(found.real.filter(arm=arm))}


def shown(found: Estimate, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{found.value:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def _drifts_less(found: Measurements, plan: Resampling) -> Claim:
    name, text = "ledger_drifts_less", "The ledger drifts less than plain history (teacher-forced less free-running)"
    regimes = ("teacher_forced", "free_running")
    sides = [drift(found, mode, regime) for mode in ("history", "ledger") for regime in regimes]
    if not all(map(len, sides)):
        return _not_measured(name, text)
    history, ledger = (difference(a, b, plan) for a, b in (sides[:2], sides[2:]))
    saved = estimate(lambda h_tf, h_fr, l_tf, l_fr: (h_tf - h_fr) - (l_tf - l_fr), sides, plan)
    drifts = f"history loses {shown(history)}, the ledger {shown(ledger)}"
    evidence = f"{shown(saved, signed=True)}: {drifts}; {_basis(saved)}"
    return Claim(name, text, verdict(saved), evidence, saved)


def _tells_right_from_wrong(found: Measurements, plan: Resampling) -> Claim:
    name, text = "agreement_tells_right", f"Self-consistency separates right from wrong (AUROC above {CHANCE})"
    area = auroc(found.calibration.filter(mode=found.mode), "agreement", plan)
    if area is None:
        return _not_measured(name, text)
    return Claim(name, text, verdict(area, CHANCE), f"{shown(area)}; {_basis(area)}", area, CHANCE)


def _saves_real_steps(accounts: Accounts, matches: Verdict) -> Claim:
    """Decided by counting, not by an interval: does one policy already pay for its world model?"""
    found = break_even(accounts, matches)
    holds = matches if found["policies_if_matched"] == 1 else "no"
    text = "Practice in simulation saves real steps at this scale (one policy, the world model's data included)"
    return Claim("sim_saves_real_steps", text, holds, found["statement"])


def _halves(found: Measurements) -> tuple[range, range]:
    turns = found.drift["turn_index"].n_unique()
    first = found.drift["turn_index"].min() or 0
    middle = int(first) + turns // 2  # pyright: ignore[reportArgumentType]
    return range(int(first), middle), range(middle, int(first) + turns)  # pyright: ignore[reportArgumentType]


def _basis(found: Estimate) -> str:
    return f"n = {found.n:,} in {found.clusters:,} clusters"


def _not_measured(name: str, text: str) -> Claim:
    return Claim(name, text, "undecided", NOT_MEASURED)
