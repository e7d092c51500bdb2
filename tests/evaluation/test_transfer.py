import json

import polars as pl
import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.evaluation import transfer
from agentworld_dag.evaluation.accounts import lineage, open_accounts
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.measurements import load, sources
from tests.evaluation.recorded import EXACT, SOLVED, write_round
from tests.small_loop import new_stage

PLAN = Resampling(200, 0)


def compared(folders):
    return transfer.compare(load(sources(folders), 0, "ledger"), open_accounts(lineage(folders), 0.2), PLAN)


def rewrite(folders, asset, **columns):
    path = folders[asset] / "rollouts.parquet"
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


def test_exploits_are_simulated_successes_whose_replay_fails(tmp_path):
    folders = write_round(tmp_path)
    first_half = pl.col("task_id").str.strip_prefix("task-").cast(pl.Int64) < 24
    rewrite(folders, "simulator_evaluation", success=pl.lit(True), replay_success=first_half)
    found = compared(folders)
    assert found["exploit_rate"]["value"] == 0.5
    assert found["exploit_rate"]["n"] == 48
    assert found["sim_success"]["value"] == 1


def test_a_replay_that_gave_no_answer_is_an_exploit(tmp_path):
    folders = write_round(tmp_path)
    rewrite(folders, "simulator_evaluation", success=pl.lit(True), replay_success=pl.lit(None, pl.Boolean))
    assert compared(folders)["exploit_rate"]["value"] == 1


def test_gap_is_simulated_less_real_success_on_the_same_tasks(tmp_path):
    folders = write_round(tmp_path)
    rewrite(folders, "simulator_evaluation", success=pl.lit(True))
    rewrite(folders, "real_env_evaluation", success=pl.lit(False))
    found = compared(folders)
    assert (found["gap"]["value"], found["real_success"]["value"]) == (1, 0)


def test_a_failed_simulated_rollout_is_a_failure(tmp_path):
    folders = write_round(tmp_path)
    rewrite(folders, "simulator_evaluation", success=pl.lit(True), failed=pl.lit(True))
    found = compared(folders)
    assert found["sim_success"]["value"] == 0
    assert found["exploit_rate"] == {"value": None, "low": None, "high": None, "n": 0, "clusters": 0}


def test_consistency_compares_replays_with_real_successes(tmp_path):
    folders = write_round(tmp_path)
    rewrite(folders, "real_env_evaluation", success=pl.lit(True))
    rewrite(folders, "simulator_evaluation", replay_success=pl.col("kind") == "write")
    found = compared(folders)["by_arm"]["sim_rl"]["sampled"]
    assert found["consistency"]["value"] == pytest.approx(1 / 3)
    assert found["pairwise_consistency"]["value"] == pytest.approx(1 / 3)


def test_efficiency_is_left_out_where_practice_won_nothing_in_simulation(tmp_path):
    flat = {**SOLVED, ("sim_rl", "sampled"): 0.3}
    found = compared(write_round(tmp_path, solved=flat))["efficiency"]
    assert found["sampled"]["value"] is None
    assert found["greedy"]["value"] is not None


def test_every_pair_has_both_decodings(tmp_path):
    found = compared(write_round(tmp_path))["differences"]
    assert set(found) >= {"sim_rl-base", "real_rl-base", "sim_rl-real_rl", "warmup-scratch", "base-scratch"}
    assert found["warmup-scratch"]["sampled"]["low"] > 0


def test_temperature_control_subtracts_the_colder_base(tmp_path):
    found = compared(write_round(tmp_path))
    control, trained = found["temperature_control"], found["real_success"]["value"]
    assert control["over_best"]["sim_rl"]["value"] == pytest.approx(trained - control["base"]["0.5"]["value"])


def test_the_stage_needs_only_the_two_evaluations(tmp_path):
    folders = write_round(tmp_path)
    inputs = {name: folders[name] for name in ("real_env_evaluation", "simulator_evaluation")}
    stage = new_stage(tmp_path / "out", inputs)
    metrics = transfer.work(stage)
    assert json.loads((stage.out / "transfer.json").read_text())["gap"] == metrics["gap"]


def test_a_damaged_file_is_named(tmp_path):
    folders = write_round(tmp_path)
    path = folders["real_env_evaluation"] / "rollouts.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"real_env_evaluation.*rollouts\.parquet"):
        compared(folders)


def test_a_missing_column_is_named(tmp_path):
    folders = write_round(tmp_path, exact=EXACT)
    path = folders["real_env_evaluation"] / "rollouts.parquet"
    pl.read_parquet(path).drop("kind").write_parquet(path)
    with pytest.raises(StoreError, match="kind"):
        compared(folders)
