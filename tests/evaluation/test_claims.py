import dataclasses

import numpy as np
import polars as pl
import pytest

from agentworld_dag.evaluation.accounts import lineage, open_accounts
from agentworld_dag.evaluation.claims import NOT_MEASURED, judge, verdict
from agentworld_dag.evaluation.intervals import Estimate, Resampling
from agentworld_dag.evaluation.measurements import load, sources
from tests.evaluation.recorded import EXACT, REAL_STEPS, SOLVED, rollouts, write_round

PLAN = Resampling(300, 0)


def verdicts(root, **changes) -> dict[str, str]:
    folders = write_round(root, **changes)
    found = load(sources(folders), 0, "ledger")
    return {claim.id: claim.holds for claim in judge(found, open_accounts(lineage(folders), 0.2), PLAN)}


@pytest.mark.parametrize(
    ("low", "high", "threshold", "holds"),
    [
        (0.1, 0.3, 0.0, "yes"),
        (-0.3, -0.1, 0.0, "no"),
        (-0.1, 0.1, 0.0, "undecided"),
        (0.0, 0.0, 0.0, "undecided"),
        (-0.01, 0.03, -0.02, "yes"),
        (-0.09, -0.03, -0.02, "no"),
    ],
)
def test_verdict_follows_the_whole_interval(low, high, threshold, holds):
    assert verdict(Estimate((low + high) / 2, low, high, 100, 50), threshold) == holds


def test_a_handful_of_clusters_decides_nothing():
    assert verdict(Estimate(0.5, 0.4, 0.6, 100, 3)) == "undecided"


def test_claims_hold_where_the_numbers_say_so(tmp_path):
    found = verdicts(tmp_path)
    expected_yes = (
        "sft_greedy sft_sampled rl_sampled copy_exact copy_f1 ledger_over_history ledger_drifts_less "
        "warmup_sampled warmup_greedy sim_over_base_sampled sim_over_temperature sim_over_scarce rl_keeps_greedy"
    )
    assert {name: found[name] for name in expected_yes.split()} == dict.fromkeys(expected_yes.split(), "yes")
    assert found["sim_saves_real_steps"] == "no"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sft_greedy", {"exact": {**EXACT, ("sft", "ledger", "greedy"): 0.1}}),
        ("rl_sampled", {"exact": {**EXACT, ("rl", "ledger", "sampled"): 0.3}}),
        ("rl_keeps_greedy", {"exact": {**EXACT, ("rl", "ledger", "greedy"): 0.5}}),
        ("copy_exact", {"exact": {**EXACT, ("copy", "history", "greedy"): 0.95}}),
        ("warmup_sampled", {"solved": {**SOLVED, ("scratch", "sampled"): 0.98}}),
        ("sim_over_base_sampled", {"solved": {**SOLVED, ("sim_rl", "sampled"): 0.02}}),
        ("sim_matches_real", {"solved": {**SOLVED, ("sim_rl", "sampled"): 0.3, ("real_rl", "sampled"): 0.9}}),
        ("sim_beats_real", {"solved": {**SOLVED, ("sim_rl", "sampled"): 0.3, ("real_rl", "sampled"): 0.9}}),
    ],
)
def test_a_claim_flips_with_its_numbers(tmp_path, name, changes):
    assert verdicts(tmp_path, **changes)[name] == "no"


def test_a_sampled_gain_that_a_lower_temperature_also_gives_is_not_credited(tmp_path):
    colder = {**EXACT, ("sft", "ledger", "sampled@0.5"): 0.95}
    found = verdicts(tmp_path, exact=colder)
    assert (found["rl_sampled"], found["rl_over_temperature"]) == ("yes", "no")


def test_controls_are_judged_wherever_they_were_measured(tmp_path):
    more = {
        "exact": {**EXACT, ("cpt", "history", "sampled@0.5"): 0.2},
        "solved": {**SOLVED, ("scratch", "sampled@0.5"): 0.1, ("real_rl_scarce", "sampled@0.5"): 0.99},
    }
    found = verdicts(tmp_path, **more)
    assert (found["sft_over_temperature"], found["warmup_over_temperature"]) == ("yes", "yes")
    assert (found["sim_over_scarce"], found["scarce_over_temperature"]) == ("yes", "no")


def test_one_policy_saves_real_steps_when_the_world_model_cost_fewer(tmp_path):
    cheap = {**REAL_STEPS, "raw_trajectories": 1000}
    better = {**SOLVED, ("sim_rl", "sampled"): 0.95, ("real_rl", "sampled"): 0.5}
    assert verdicts(tmp_path, real_steps=cheap, solved=better)["sim_saves_real_steps"] == "yes"


def test_a_side_that_was_not_measured_leaves_the_claim_undecided(tmp_path):
    without = {key: chance for key, chance in SOLVED.items() if key[0] != "warmup"}
    folders = write_round(tmp_path, solved=without)
    claims = judge(load(sources(folders), 0, "ledger"), open_accounts(lineage(folders), 0.2), PLAN)
    warmup = next(claim for claim in claims if claim.id == "warmup_sampled")
    assert (warmup.holds, warmup.evidence) == ("undecided", NOT_MEASURED)


def test_failed_rollouts_lower_the_side_they_belong_to(tmp_path):
    folders = write_round(tmp_path)
    found = load(sources(folders), 0, "ledger")
    broken = found.real.with_columns(failed=pl.col("arm") == "sim_rl")
    claims = judge(dataclasses.replace(found, real=broken), open_accounts(lineage(folders), 0.2), PLAN)
    assert next(claim.holds for claim in claims if claim.id == "sim_over_base_sampled") == "no"


def test_errors_that_pass_are_optimism_and_false_alarms_are_not(tmp_path):
    folders = write_round(tmp_path)
    found = load(sources(folders), 0, "ledger")
    accounts = open_accounts(lineage(folders), 0.2)

    def holds(sim_error: pl.Expr) -> tuple[str, str]:
        rows = found.error_path.with_columns(sim_error=sim_error)
        claims = {c.id: c.holds for c in judge(dataclasses.replace(found, error_path=rows), accounts, PLAN)}
        return claims["not_optimistic"], claims["not_optimistic_planted"]

    assert holds(pl.col("real_error")) == ("yes", "yes")
    assert holds(pl.lit(True)) == ("yes", "yes")
    assert holds(pl.lit(False)) == ("no", "no")


def test_only_confidence_that_orders_answers_separates_right_from_wrong(tmp_path):
    folders = write_round(tmp_path)
    found = load(sources(folders), 0, "ledger")
    accounts = open_accounts(lineage(folders), 0.2)

    def holds(agreement: pl.Expr) -> str:
        rows = found.calibration.with_columns(agreement=agreement)
        claims = judge(dataclasses.replace(found, calibration=rows), accounts, PLAN)
        return next(claim.holds for claim in claims if claim.id == "agreement_tells_right")

    assert holds(pl.col("exact").cast(pl.Float64)) == "yes"
    assert holds(1 - pl.col("exact").cast(pl.Float64)) == "no"
    assert holds(pl.lit(0.5)) == "undecided"


def test_rows_of_another_environment_do_not_decide(tmp_path):
    """Simulated success may not stand in for real success."""
    folders = write_round(tmp_path)
    perfect = rollouts(np.random.default_rng(0), "sim", {**SOLVED, ("sim_rl", "sampled"): 1.0})
    perfect.write_parquet(folders["simulator_evaluation"] / "rollouts.parquet")
    claims = judge(load(sources(folders), 0, "ledger"), open_accounts(lineage(folders), 0.2), PLAN)
    honest = next(claim for claim in claims if claim.id == "sim_is_honest")
    assert honest.holds == "no"
