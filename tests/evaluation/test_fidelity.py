from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.evaluation import answers, drift, fidelity
from agentworld_dag.evaluation.measurements import CHECKPOINTS
from tests.small_loop import base, heldout, splits, stage

__all__ = ["base", "heldout", "splits", "stage"]


def test_the_report_gathers_every_checkpoint_and_the_baseline_on_the_same_turns(
    stage, base: Path, splits: Path, heldout: Path
):
    """One and the same model stands for all three checkpoints."""
    inputs = {}
    for checkpoint in CHECKPOINTS:
        asked = {f"world_model_{checkpoint}": base, "heldout_benchmark": heldout, "trajectory_splits": splits}
        answering = stage(f"{checkpoint}_answers", asked)
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
    assert set(pl.read_parquet(running.out / "checks.parquet")["checkpoint"]) == {"copy", *CHECKPOINTS}
    assert 0 <= found["checks_passed"]["rl_ledger_error"] <= 1
    assert len(found["drift"]) == 4
    assert 0 <= found["drift"]["ledger_free_running"] <= 1


def test_damaged_answers_are_named_with_the_remedy(stage, tmp_path: Path) -> None:
    damaged = tmp_path / "cpt_answers"
    damaged.mkdir()
    (damaged / "answers.parquet").write_bytes(b"PAR1 torn")
    running = stage("fidelity_report", {f"{checkpoint}_answers": damaged for checkpoint in CHECKPOINTS})
    with pytest.raises(StoreError, match=r"cannot use .*cpt_answers/answers.parquet.*run the stage that makes it"):
        fidelity.work(running)
