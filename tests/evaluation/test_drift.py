from dataclasses import replace
from pathlib import Path

import polars as pl

from agentworld_dag.evaluation.drift import reads_after_writes, work
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.schema import Turn
from tests.small_loop import base, make_trajectory, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]


def test_both_regimes_of_both_modes_are_measured_on_the_same_turns(stage, base: Path, splits: Path) -> None:
    running = stage("drift", {"world_model_rl": base, "trajectory_splits": splits})
    assert work(running)["episodes"] == 2
    drift = pl.read_parquet(running.out / "drift.parquet")
    assert set(drift["regime"]) == {"teacher_forced", "free_running"}
    assert drift.group_by("mode", "regime").len()["len"].to_list() == [6] * 4
    assert (running.out / "write_then_read.parquet").is_file()


def test_drift_is_measured_over_more_turns_than_a_frame_guesses_its_types_from(
    stage, base: Path, tmp_path: Path
) -> None:
    write_trajectories(tmp_path / "held_out.parquet", [make_trajectory(i) for i in range(40)])
    preset = small_preset()
    running = stage(
        "drift",
        {"world_model_rl": base, "trajectory_splits": tmp_path},
        simulator=preset.simulator.model_copy(update={"max_new_tokens": 2}),
        evaluation=preset.evaluation.model_copy(update={"drift_episodes": 40}),
    )
    assert work(running)["answers"] == 4 * 120
    drift = pl.read_parquet(running.out / "drift.parquet")
    assert drift.filter(pl.col("regime") == "teacher_forced")["state_exact"].null_count() == 240


def test_a_read_is_matched_with_the_last_change_of_that_file() -> None:
    assert reads_after_writes(make_trajectory(0)) == [(1, 1)]


def test_a_read_in_a_folder_means_the_file_there() -> None:
    turns = (
        Turn("cd docs", "~/docs$", "cwd=~/docs\ndocs/=\nmemo=cat"),
        Turn("echo red > memo", "~/docs$", "cwd=~/docs\ndocs/=\ndocs/memo=red\nmemo=cat"),
        Turn("cat memo", "red\n~/docs$", "cwd=~/docs\ndocs/=\ndocs/memo=red\nmemo=cat"),
    )
    start = make_trajectory(0)
    episode = replace(start, turns=turns, system=replace(start.system, initial_state="cwd=~\ndocs/=\nmemo=cat"))
    assert reads_after_writes(episode) == [(2, 1)]
