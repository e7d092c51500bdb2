from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.evaluation import answers, drift, fidelity
from agentworld_dag.evaluation.measurements import CHECKPOINTS
from tests.small_loop import base, splits, stage

__all__ = ["base", "splits", "stage"]


def test_the_report_gathers_every_checkpoint_and_the_baseline_on_the_same_turns(stage, base: Path, splits: Path):
    """One and the same model stands for all three checkpoints."""
    inputs = {}
    for checkpoint in CHECKPOINTS:
        answering = stage(f"{checkpoint}_answers", {"world_model": base, "trajectory_splits": splits})
        answering.options["checkpoint"] = checkpoint
        answers.work(answering)
        inputs[f"{checkpoint}_answers"] = answering.out
    drifting = stage("simulator_drift", {"world_model_rl": base, "trajectory_splits": splits})
    drift.work(drifting)
    running = stage("fidelity_report", {**inputs, "simulator_drift": drifting.out})
    found = fidelity.work(running)
    samples = pl.read_parquet(running.out / "samples.parquet")
    assert set(samples["checkpoint"]) == {"copy", *CHECKPOINTS}
    places = {
        tuple(sorted(zip(asked["trajectory_id"], asked["turn_index"], strict=True)))
        for _, asked in samples.group_by("checkpoint", "mode", "decoding")
    }
    assert len(places) == 1
    assert samples.filter(pl.col("failed"))["exact"].sum() == 0
    copied = samples.filter(checkpoint="copy")["exact"].mean()
    assert found["exact_match"]["copy_history_greedy"] == pytest.approx(copied)
    assert len(found["drift"]) == 4
    assert 0 <= found["drift"]["ledger_free_running"] <= 1
