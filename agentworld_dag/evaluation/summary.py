"""The numbers of `report.json`, from measurements of one seed or of several.

Everything here is JSON-able and nothing is text for readers: `pages` words it
and `plots` draws it. Turns are counted from 1.
"""

from dataclasses import asdict
from typing import Any

import polars as pl

from agentworld_dag.evaluation.accounts import Accounts
from agentworld_dag.evaluation.calibration import calibration_section
from agentworld_dag.evaluation.claims import Claim, judge
from agentworld_dag.evaluation.error_path import error_path_section
from agentworld_dag.evaluation.intervals import Resampling, as_json, mean, measured
from agentworld_dag.evaluation.measurements import (
    ARMS,
    CHECKPOINTS,
    CONTROL_PREFIX,
    GREEDY,
    SAMPLED,
    Measurements,
    answers,
    by_task,
    by_trajectory,
    controls,
    copied,
    drift,
    fidelity,
    native_mode,
    success,
)
from agentworld_dag.evaluation.replay_variance import replay_section
from agentworld_dag.evaluation.standing import passed, ranked
from agentworld_dag.evaluation.survival import survival_section

Section = dict[str, Any]
MODES = ("ledger", "history")
REGIMES = ("teacher_forced", "free_running")


def summarise(found: Measurements, accounts: Accounts, transfer: Section, plan: Resampling) -> Section:
    """The sections that issue readers rely on; `transfer` as `transfer.compare` gives it."""
    return {
        "fidelity": fidelity_section(found, plan),
        "drift": drift_section(found, plan),
        "leaderboard": leaderboard_section(found, plan),
        "checks": passed(found.checks, plan),
        "reliability": reliability_section(found, plan),
        "agent": {arm: agent_section(found, arm, plan) for arm in ARMS},
        "transfer": transfer,
        "real_steps": {arm: account.steps for arm, account in accounts.arms.items()},
        "accounts": accounts_section(accounts),
        "claims": [_claim(claim) for claim in judge(found, accounts, plan)],
        "failed": failures(found),
    }


def fidelity_section(found: Measurements, plan: Resampling) -> Section:
    modes = {c: {m: _scores(found, c, m, plan) for m in MODES} for c in CHECKPOINTS}
    headline = {c: {**modes[c][native_mode(found, c)], "mode": native_mode(found, c)} for c in CHECKPOINTS}
    baseline = as_json(measured(mean, copied(found), plan=plan))
    baseline_f1 = as_json(measured(mean, copied(found, "changed_f1"), plan=plan))
    return {
        **headline,
        "copy_baseline": {**baseline, "changed_f1": baseline_f1},
        "modes": modes,
        "colder": {c: _colder(found, c, plan) for c in CHECKPOINTS},
        "by_command": _by(answers(found, "rl", GREEDY), "command", plan),
    }


def leaderboard_section(found: Measurements, plan: Resampling) -> Section:
    """Strict scores, best first; the judge is None where nothing was judged."""
    judges = found.judged["judge"].unique().to_list()
    return {"judge": judges[0] if judges else None, "entries": ranked(found.judged, found.checks, plan)}


def drift_section(found: Measurements, plan: Resampling) -> Section:
    by_mode = {m: {r: _by_turn(found, m, r, plan) for r in REGIMES} for m in MODES}
    return {
        **by_mode[found.mode],
        "mode": found.mode,
        "by_mode": by_mode,
        "write_then_read": {m: _write_then_read(found, m, plan) for m in MODES},
    }


def reliability_section(found: Measurements, plan: Resampling) -> Section:
    """How far to trust an answer, by mode."""
    return {
        "error_path": {m: error_path_section(found.error_path.filter(mode=m), plan) for m in MODES},
        "calibration": {m: calibration_section(found.calibration.filter(mode=m), plan) for m in MODES},
        "replays": {m: replay_section(found.replays.filter(mode=m), plan) for m in MODES},
        "survival": {m: survival_section(found.drift.filter(mode=m), plan) for m in MODES},
    }


def agent_section(found: Measurements, arm: str, plan: Resampling) -> Section:
    rows = found.real.filter(arm=arm)
    return {
        "real_success_sampled": as_json(measured(mean, success(found, arm, SAMPLED), plan=plan)),
        "real_success_greedy": as_json(measured(mean, success(found, arm, GREEDY), plan=plan)),
        "colder": {n.removeprefix(CONTROL_PREFIX): as_json(mean(success(found, arm, n), plan)) for n in controls(rows)},
        "by_kind": {d: _by_kind(rows.filter(decoding=d), plan) for d in (SAMPLED, GREEDY)},
    }


def accounts_section(accounts: Accounts) -> Section:
    arms = {arm: asdict(a) | {"steps": a.steps, "seconds": a.seconds} for arm, a in accounts.arms.items()}
    return {**asdict(accounts), "arms": arms}


def failures(found: Measurements) -> Section:
    """Failed calls and rollouts, all scored 0, of how many."""
    names = ("fidelity", "drift", "replays", "error_path", "real", "sim")  # calibration: again the error path's answers
    frames = {name: getattr(found, name) for name in names}
    counts = {name: {"failed": int(rows["failed"].sum()), "of": len(rows)} for name, rows in frames.items()}
    total = {key: sum(count[key] for count in counts.values()) for key in ("failed", "of")}
    return {**counts, "total": total}


def _scores(found: Measurements, checkpoint: str, mode: str, plan: Resampling) -> Section:
    asked = {"greedy_em": (GREEDY, "exact"), "sampled_em": (SAMPLED, "exact"), "changed_f1": (GREEDY, "changed_f1")}
    samples = {name: fidelity(found, checkpoint, *question, mode) for name, question in asked.items()}
    return {name: as_json(measured(mean, sample, plan=plan)) for name, sample in samples.items()}


def _colder(found: Measurements, checkpoint: str, plan: Resampling) -> Section:
    """Sampled exact match at each lower temperature that was measured."""
    names = controls(found.fidelity.filter(checkpoint=checkpoint, mode=native_mode(found, checkpoint)))
    return {n.removeprefix(CONTROL_PREFIX): as_json(mean(fidelity(found, checkpoint, n), plan)) for n in names}


def _by_turn(found: Measurements, mode: str, regime: str, plan: Resampling) -> list[Section]:
    rows = found.drift.filter(mode=mode, regime=regime)
    turns = sorted(rows["turn_index"].unique())
    return [_turn(found, mode, regime, turn, plan) for turn in turns]


def _turn(found: Measurements, mode: str, regime: str, turn: int, plan: Resampling) -> Section:
    here = range(turn, turn + 1)
    state = drift(found, mode, regime, here, "state_exact")
    return {
        "turn": turn + 1,
        **as_json(mean(drift(found, mode, regime, here), plan)),
        "state": as_json(measured(mean, state, plan=plan)),
    }


def _write_then_read(found: Measurements, mode: str, plan: Resampling) -> list[Section]:
    rows = found.write_then_read.filter(mode=mode)
    horizons = sorted(rows["horizon"].unique())
    scores = [mean(by_trajectory(rows.filter(horizon=h), "correct"), plan) for h in horizons]
    return [{"horizon": h, **as_json(score)} for h, score in zip(horizons, scores, strict=True)]


def _by(rows: pl.DataFrame, column: str, plan: Resampling) -> Section:
    """Exact match per value of `column`, the most frequent first."""
    names = rows[column].value_counts().sort("count", column, descending=[True, False])[column]
    return {name: as_json(mean(by_trajectory(rows.filter(pl.col(column) == name), "exact"), plan)) for name in names}


def _by_kind(rows: pl.DataFrame, plan: Resampling) -> Section:
    kinds = sorted(rows["kind"].unique())
    return {kind: as_json(mean(by_task(rows.filter(kind=kind), "success"), plan)) for kind in kinds}


def _claim(claim: Claim) -> Section:
    return asdict(claim) | {"estimate": as_json(claim.estimate)}
