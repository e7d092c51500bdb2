"""The graph as a whole: it loads, loads light, and says what it promises."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

import agentworld_dag
from agentworld_dag.assets.benchmark import TRIAL_CLAIMS
from agentworld_dag.definitions import defs
from agentworld_dag.jobs.instance import GPU_POOL

PACKAGE = Path(agentworld_dag.__file__ or "").parent
HEAVY = ("torch", "transformers", "trl", "vllm", "ray", "kubernetes", "mlflow", "datasets", "polars")
ASSETS = {
    "round_plan", "raw_trajectories", "clean_trajectories", "trajectory_splits",
    "base_model", "world_model_cpt", "world_model_sft", "world_model_rl", "simulator",
    "agent_demonstrations", "agent_base", "agent_warmup", "agent_scratch",
    "agent_sim_rl", "agent_real_rl", "agent_real_rl_scarce",
    "heldout_benchmark", "judge_trial", "cpt_answers", "sft_answers", "rl_answers", "endpoint_answers",
    "judged_answers", "leaderboard", "simulator_drift", "simulator_reliability", "fidelity_report",
    "real_env_evaluation", "simulator_evaluation", "transfer_report", "round_report",
    "candidate_comparison", "policy_comparison", "world_model_versions", "agent_versions",
    "world_model_champion", "agent_champion", "real_env_probe",
}  # fmt: skip
OVER_ALL_ROUNDS = {"world_model_champion", "agent_champion", "real_env_probe"}
"""Assets whose history is a time series: they are not partitioned."""
SENSORS = {
    "refresh_reports_on_new_inputs", "retrain_on_fidelity_drop", "promote_on_review", "roll_back_on_regression",
}  # fmt: skip
BLOCKING = {
    *TRIAL_CLAIMS,
    "rule_checks_are_enough",
    "rule_checks_are_unseen_in_training",
    "failures_are_within_budget",
    "sessions_are_isolated",
    "splits_are_disjoint",
    "mask_covers_observations_only",
    "policy_did_not_collapse",
    "fidelity_above_copy_baseline",
    "success_is_measured_in_the_real_shell",
}


def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def checks() -> list[dg.AssetCheckSpec]:
    assets = [asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition)]
    return [spec for asset in assets for spec in asset.check_specs]


def test_everything_loads():
    dg.Definitions.validate_loadable(defs)
    assert set(specs()) == ASSETS
    assert {sensor.name for sensor in defs.sensors or []} == SENSORS
    assert {schedule.name for schedule in defs.schedules or []} == {"probe_nightly", "retrain_weekly"}


def test_importing_the_definitions_loads_no_ml_library():
    code = f"import agentworld_dag.definitions, sys; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_each_asset_has_what_the_ui_shows(name):
    spec = specs()[name]
    assert spec.group_name != "default"
    assert spec.kinds
    assert spec.code_version
    assert (spec.partitions_def is None) == (name in OVER_ALL_ROUNDS)
    first_line = (spec.description or "").partition("\n")[0]
    assert 30 < len(first_line) <= 120
    assert not first_line.startswith(name)


def test_checks_are_described_claims_and_the_costly_ones_block():
    assert len(checks()) >= 10
    assert all(check.description for check in checks())
    assert {check.name for check in checks() if check.blocking} == BLOCKING


def test_what_trains_or_generates_is_in_the_pool_of_the_gpu():
    nodes = [node for assets in defs.resolve_asset_graph().assets_defs for node in [assets.node_def]]
    pools = {node.name: node.pools for node in nodes}
    with_a_model = {name for name, spec in specs().items() if "pytorch" in spec.kinds}
    assert len(with_a_model) >= 20
    assert {name for name, found in pools.items() if found == {GPU_POOL}} == with_a_model


@pytest.mark.parametrize(
    ("job", "first", "last"),
    [
        ("turn_the_loop", "raw_trajectories", "agent_versions"),
        ("train_world_model", "round_plan", "world_model_versions"),
        ("train_agent", "agent_demonstrations", "agent_versions"),
        ("probe_real_environment", "real_env_probe", "real_env_probe"),
        ("decide_on_world_model", "world_model_champion", "world_model_champion"),
        ("decide_on_agent", "agent_champion", "agent_champion"),
    ],
)
def test_jobs_resolve(job, first, last):
    found = {node.name for node in defs.resolve_job_def(job).graph.node_defs}
    assert {first, last} <= found


def test_dagster_modules_keep_their_annotations_alive():
    """Dagster reads resource and config annotations; a future import turns them into text (dagster#26837)."""
    folders = ("assets", "jobs", "resources", "sensors")
    files = [*PACKAGE.glob("*.py"), *(file for folder in folders for file in (PACKAGE / folder).rglob("*.py"))]
    assert not [file for file in files if "from __future__ import annotations" in file.read_text()]
