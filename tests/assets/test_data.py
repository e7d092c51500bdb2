"""Group `data` for real: a real shell, a real lake, in-process Dagster."""

import shutil
from pathlib import Path

import dagster as dg
import polars as pl

from agentworld_dag.assets.agent import agent_demonstrations
from agentworld_dag.assets.data import clean_trajectories, raw_trajectories, trajectory_splits
from agentworld_dag.assets.recipe import failing_clearly, latest
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.preset import RunPreset
from tests.assets.conftest import failure, metadata

DATA = [round_plan, raw_trajectories, clean_trajectories, trajectory_splits]


def test_made_once_then_reused_and_remade_where_the_preset_changed(materialize, tmp_path):
    first = materialize(DATA)
    assert first.success
    assert not metadata(first, "raw_trajectories")["reused"]
    assert {e.check_name: e.passed for e in first.get_asset_check_evaluations()} == {
        "sessions_are_isolated": True,
        "rejects_are_explained": True,
        "splits_are_disjoint": True,
    }
    shown = metadata(first, "raw_trajectories")
    assert shown["episodes"] == 120
    assert Path(shown["path"]).is_relative_to(tmp_path / "lake" / "raw_trajectories" / "round-0001")

    assert shown["cost/seconds"] > shown["seconds"] > 0
    assert shown["cost/cpu_core_seconds"] > 0
    assert shown["cost/money"] == shown["cost/money_when_made"] > 0
    assert shown["cost/gpu_seconds"] == shown["cost/tokens"] == 0

    second = materialize(DATA, seed=7)
    assert all(metadata(second, asset)["reused"] for asset in ("raw_trajectories", "trajectory_splits"))
    assert metadata(second, "raw_trajectories")["fingerprint"] == shown["fingerprint"]

    again = metadata(second, "raw_trajectories")
    assert again["cost/seconds"] == again["cost/money"] == 0
    assert again["cost/money_when_made"] == shown["cost/money"]

    third = materialize(DATA, splits={"held_out": 0.2})
    assert metadata(third, "clean_trajectories")["reused"]
    assert not metadata(third, "trajectory_splits")["reused"]


def test_one_asset_by_hand_finds_what_lies_upstream(materialize):
    assert materialize([raw_trajectories]).success
    assert materialize([clean_trajectories]).success


@dg.asset(partitions_def=rounds, deps=[agent_demonstrations])
def finder(context: dg.AssetExecutionContext, preset: RunPreset, lake: Lake) -> dg.MaterializeResult:
    with failing_clearly():
        found = latest(context, "agent_demonstrations", lake, preset.seed)
    return dg.MaterializeResult(metadata={"found": found.name})


def test_by_hand_a_seed_finds_its_own_upstream_and_not_the_newest_of_another(materialize):
    made = {seed: materialize([agent_demonstrations], seed=seed) for seed in (0, 1)}
    for seed, run in made.items():
        expected = metadata(run, "agent_demonstrations")["fingerprint"]
        assert metadata(materialize([finder], seed=seed), "finder")["found"] == expected
    assert "needs agent_demonstrations of round-0001 with seed 2, found no" in failure(materialize([finder], seed=2))


def test_missing_upstream_is_one_clear_error(materialize, tmp_path):
    expected = "StoreError: clean_trajectories needs raw_trajectories of round-0001"
    assert failure(materialize([clean_trajectories])).startswith(expected)
    assert materialize([raw_trajectories]).success
    shutil.rmtree(tmp_path / "lake" / "raw_trajectories")
    assert failure(materialize([clean_trajectories])).startswith(expected)


def test_corrupt_part_fails_a_check_and_loses_nothing_else(materialize, tmp_path):
    assert materialize([raw_trajectories], collection={"exploratory_episodes": 300, "turns_per_episode": 2}).success
    parts = sorted((tmp_path / "lake" / "raw_trajectories").rglob("parts/*.parquet"))
    assert len(parts) > 1
    parts[0].write_bytes(b"not parquet")
    result = materialize([clean_trajectories], collection={"exploratory_episodes": 300, "turns_per_episode": 2})
    assert result.success
    check = next(e for e in result.get_asset_check_evaluations() if e.check_name == "rejects_are_explained")
    assert not check.passed
    assert check.metadata["corrupt_parts"].value == 1
    kept = next((tmp_path / "lake" / "clean_trajectories").rglob("trajectories.parquet"))
    assert pl.scan_parquet(kept).select(pl.len()).collect().item() > 0


def test_failing_script_fails_the_step_with_its_own_reason(materialize):
    assert materialize(DATA[:3]).success
    shares = {"cpt": 0.5, "rl": 0.3, "validation": 0.1, "held_out": 0.1}
    assert failure(materialize(DATA, splits=shares)).startswith("ConfigError: splits.cpt + rl + validation + held_out")
