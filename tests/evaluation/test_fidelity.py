from dataclasses import replace
from pathlib import Path

import polars as pl

from agentworld_dag.evaluation.drift import measure_drift, reads_after_writes
from agentworld_dag.evaluation.fidelity import command_name, work
from agentworld_dag.trajectories.schema import Turn
from tests.small_loop import base, make_trajectory, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]


def test_every_checkpoint_answers_the_same_turns(stage, base: Path, splits: Path) -> None:
    models = {f"world_model_{name}": base for name in ("cpt", "sft", "rl")}
    running = stage("fidelity", {**models, "trajectory_splits": splits})
    metrics = work(running)
    samples = pl.read_parquet(running.out / "samples.parquet")
    asked = samples.group_by("checkpoint", "mode", "decoding").agg(pl.struct("trajectory_id", "turn_index").sort())
    assert set(map(len, asked["trajectory_id"])) == {metrics["turns"]}
    assert {tuple(map(tuple, map(dict.values, places))) for places in asked["trajectory_id"]}.__len__() == 1
    assert {"greedy", "sampled", "sampled@0.5"} <= set(samples["decoding"])
    assert samples.filter(pl.col("failed"))["exact"].sum() == 0
    drift = pl.read_parquet(running.out / "drift.parquet")
    assert set(drift["regime"]) == {"teacher_forced", "free_running"}
    assert drift.group_by("mode", "regime").len()["len"].to_list() == [6] * 4
    assert (running.out / "write_then_read.parquet").is_file()


def test_drift_is_measured_over_more_turns_than_a_frame_guesses_its_types_from(stage, base: Path, splits: Path) -> None:
    brief = small_preset().simulator.model_copy(update={"max_new_tokens": 2})
    running = stage("drift", {"world_model_rl": base}, simulator=brief)
    means = measure_drift(running, [make_trajectory(i) for i in range(40)])
    assert set(means) == {f"{m}_{r}" for m in ("ledger", "history") for r in ("teacher_forced", "free_running")}
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


def test_a_command_is_named_with_its_redirection() -> None:
    assert [command_name(a) for a in ("cat a", "echo x > a", "echo x >> a", "")] == [
        "cat",
        "echo >",
        "echo >>",
        "(empty)",
    ]
