"""How success in the simulator carries over to the real shell (paper sections 6.1 and 6.2).

The same policy meets the same tasks in both, and simulated action sequences
are replayed in the real shell, which tells a simulator that flatters from one
that only differs. gap = simulated less real success; exploit rate = share of
simulated successes whose replay fails; missed rate = share of simulated
failures whose replay succeeds; consistency = replayed over real success, and
pairwise: of the tasks solved for real, the share also solved by replay;
efficiency = real gain of the practice over its simulated gain.
"""

from itertools import chain
from typing import Any

import polars as pl

from agentworld_dag.artifacts import write_json
from agentworld_dag.evaluation.accounts import Accounts, break_even, lineage, open_accounts
from agentworld_dag.evaluation.claims import matches_real
from agentworld_dag.evaluation.intervals import (
    Estimate,
    Resampling,
    as_json,
    best,
    difference,
    divided,
    estimate,
    mean,
    measured,
    ratio,
)
from agentworld_dag.evaluation.measurements import (
    CONTROL_PREFIX,
    GREEDY,
    SAMPLED,
    Measurements,
    by_task,
    controls,
    load,
    sources,
    success,
)
from agentworld_dag.stage import Stage, run_stage

PAIRS = (
    ("sim_rl", "base"),
    ("real_rl", "base"),
    ("real_rl_scarce", "base"),
    ("sim_rl", "real_rl"),
    ("sim_rl", "real_rl_scarce"),
    ("warmup", "scratch"),
    ("base", "scratch"),
    ("warmup", "base"),
)
"""Arms compared on the same tasks in the real shell."""


def work(stage: Stage) -> dict[str, Any]:
    """Write `transfer.json`; the metrics are its headline."""
    found = load(sources(stage.inputs), stage.seed, stage.preset.simulator.mode)
    accounts = open_accounts(lineage(stage.inputs), stage.preset.splits.start)
    transfer = compare(found, accounts, Resampling(stage.preset.evaluation.bootstrap_samples, stage.seed))
    write_json(stage.out / "transfer.json", transfer)
    stage.log(f"break-even: {transfer['break_even']['statement']}")
    kept = ("sim_success", "real_success", "gap", "exploit_rate", "break_even", "differences")
    return {key: transfer[key] for key in kept}


def compare(found: Measurements, accounts: Accounts, plan: Resampling) -> dict[str, Any]:
    """Everything about transfer, JSON-able. The headline is the sim_rl policy, sampled."""
    by_arm = {arm: {d: _both_worlds(found, arm, d, plan) for d in (SAMPLED, GREEDY)} for arm in ("base", "sim_rl")}
    return {
        **{key: by_arm["sim_rl"][SAMPLED][key] for key in ("sim_success", "real_success", "gap", "exploit_rate")},
        "by_arm": by_arm,
        "efficiency": {d: as_json(_efficiency(found, d, plan)) for d in (SAMPLED, GREEDY)},
        "differences": {f"{first}-{second}": _difference(found, first, second, plan) for first, second in PAIRS},
        "temperature_control": _temperature_control(found, plan),
        "break_even": break_even(accounts, matches_real(found, plan)),
    }


def _both_worlds(found: Measurements, arm: str, decoding: str, plan: Resampling) -> dict[str, Any]:
    sim, real = success(found, arm, decoding, "sim"), success(found, arm, decoding)
    rows = found.sim.filter(arm=arm, decoding=decoding)
    won = rows.filter(pl.col("success"), ~pl.col("failed"))
    lost = rows.filter(~pl.col("success") | pl.col("failed"))
    exploited = won.with_columns(exploited=~pl.col("replay_success").fill_null(False))
    found_both = {
        "sim_success": measured(mean, sim, plan=plan),
        "real_success": measured(mean, real, plan=plan),
        "gap": measured(difference, sim, real, plan=plan),
        "exploit_rate": measured(mean, by_task(exploited, "exploited"), plan=plan),
        "missed_rate": measured(mean, by_task(lost, "replay_success"), plan=plan),
        "consistency": _consistency(found, arm, decoding, plan),
        "pairwise_consistency": measured(mean, by_task(_solved_twice(found, rows), "replayed"), plan=plan),
    }
    return {name: as_json(value) for name, value in found_both.items()}


def _consistency(found: Measurements, arm: str, decoding: str, plan: Resampling) -> Estimate | None:
    replayed, real = success(found, arm, decoding, "sim", "replay_success"), success(found, arm, decoding)
    return measured(ratio, replayed, real, plan=plan) if real.values.any() else None


def _solved_twice(found: Measurements, simulated: pl.DataFrame) -> pl.DataFrame:
    """Rollouts that solved their task for real, each with how often the same policy's replays solved it."""
    keys = ["seed", "task_id", "arm", "decoding"]
    replayed = simulated.group_by(keys).agg(replayed=pl.col("replay_success").fill_null(False).cast(pl.Float64).mean())
    return found.real.filter(pl.col("success"), ~pl.col("failed")).join(replayed, on=keys)


def _efficiency(found: Measurements, decoding: str, plan: Resampling) -> Estimate | None:
    """None unless practice raised simulated success beyond doubt: a ratio over about nothing means nothing."""
    worlds = [[success(found, arm, decoding, world) for arm in ("sim_rl", "base")] for world in ("real", "sim")]
    gain = measured(difference, *worlds[1], plan=plan)
    if gain is None or gain.low <= 0 or not all(map(len, worlds[0])):
        return None
    return estimate(lambda r1, r0, s1, s0: divided(r1 - r0, s1 - s0), list(chain(*worlds)), plan)


def _difference(found: Measurements, first: str, second: str, plan: Resampling) -> dict[str, Any]:
    sides = {d: (success(found, first, d), success(found, second, d)) for d in (SAMPLED, GREEDY)}
    return {d: as_json(measured(difference, *pair, plan=plan)) for d, pair in sides.items()}


def _temperature_control(found: Measurements, plan: Resampling) -> dict[str, Any]:
    """Sampled success of the trained arms over the base arm at the lower temperature that suits it best."""
    colder = {name: success(found, "base", name) for name in controls(found.real.filter(arm="base"))}
    suited = best(colder.values()) if colder else success(found, "base", "not measured")
    trained = {arm: success(found, arm, SAMPLED) for arm in ("sim_rl", "real_rl")}
    return {
        "base": {name.removeprefix(CONTROL_PREFIX): as_json(mean(side, plan)) for name, side in colder.items()},
        "over_best": {arm: as_json(measured(difference, side, suited, plan=plan)) for arm, side in trained.items()},
    }


if __name__ == "__main__":
    run_stage(work)
