from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.evaluation import answers, fidelity
from agentworld_dag.evaluation.drift import measure_drift, reads_after_writes
from agentworld_dag.evaluation.measurements import CHECKPOINTS
from agentworld_dag.trajectories.schema import Turn
from tests.small_loop import base, make_trajectory, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]


@pytest.fixture
def report(stage, base: Path, splits: Path) -> Path:
    """A fidelity report in which one and the same model stands for all three checkpoints."""
    inputs = {"world_model_rl": base, "trajectory_splits": splits}
    for checkpoint in CHECKPOINTS:
        answering = stage(f"{checkpoint}_answers", {"world_model": base, "trajectory_splits": splits})
        answering.options["checkpoint"] = checkpoint
        answers.work(answering)
        inputs[f"{checkpoint}_answers"] = answering.out
    running = stage("fidelity", inputs)
    assert fidelity.work(running)["turns"] == 6
    return running.out


def test_every_checkpoint_and_the_baseline_answer_the_same_turns(report: Path) -> None:
    samples = pl.read_parquet(report / "samples.parquet")
    assert set(samples["checkpoint"]) == {"copy", *CHECKPOINTS}
    places = {
        tuple(sorted(zip(asked["trajectory_id"], asked["turn_index"], strict=True)))
        for _, asked in samples.group_by("checkpoint", "mode", "decoding")
    }
    assert len(places) == 1
    assert samples.filter(pl.col("failed"))["exact"].sum() == 0


def test_drift_is_measured_in_both_regimes_of_both_modes(report: Path) -> None:
    drift = pl.read_parquet(report / "drift.parquet")
    assert set(drift["regime"]) == {"teacher_forced", "free_running"}
    assert drift.group_by("mode", "regime").len()["len"].to_list() == [6] * 4
    assert (report / "write_then_read.parquet").is_file()


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
