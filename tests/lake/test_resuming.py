"""Training that is stopped on one machine and goes on, on another, from the checkpoint in the remote."""

import json
import logging
import shutil
from pathlib import Path

import pytest

from agentworld_dag.artifacts import METRICS
from agentworld_dag.stage import GROWN, Stage
from agentworld_dag.stopping import Stopped
from agentworld_dag.training import sft
from tests.disturbed import weights
from tests.lake.proxy import Fault, Proxy
from tests.small_loop import base, new_stage, splits

__all__ = ["base", "splits"]
TRAINING = "world_model_sft/round-0001/0123456789ab"


@pytest.fixture
def tuning(url: str, tmp_path: Path, base: Path, splits: Path) -> Stage:
    """Four steps, in the lake of this machine."""
    out = tmp_path / "home" / "lake" / TRAINING
    return new_stage(out, {"world_model_cpt": base, "trajectory_splits": splits})


def stopped_after_a_step(tuning: Stage) -> None:
    tuning.stop.asked = True
    with pytest.raises(Stopped):
        sft.work(tuning)
    tuning.stop.asked = False


def test_it_ends_with_the_weights_of_an_undisturbed_run(
    tuning: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = new_stage(tmp_path / "whole", tuning.inputs)
    sft.work(whole)
    stopped_after_a_step(tuning)
    before = [(tuning.out / "trainer/checkpoint-1" / name).read_text() for name in GROWN]
    shutil.rmtree(tuning.out)  # another machine has nothing of it
    tuning.out.mkdir()
    with caplog.at_level(logging.INFO):
        sft.work(tuning)
    assert "goes on from checkpoint-1 of another machine" in caplog.messages
    assert "resumed from step 1 of 4" in caplog.messages
    assert weights(tuning.out) == weights(whole.out)
    assert all((tuning.out / name).read_text().startswith(text) for name, text in zip(GROWN, before, strict=True))
    assert json.loads((tuning.out / METRICS).read_text().splitlines()[-1])["step"] == 4


def test_a_remote_that_is_away_stops_no_training(tuning: Stage, proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    proxy.befalls = lambda request: Fault(status=503 if request.method == "PUT" else 0)
    with caplog.at_level(logging.INFO):
        sft.work(tuning)
    assert any(told.startswith("checkpoint-2 stays on this machine: ") for told in caplog.messages)
    assert (tuning.out / "checkpoint").is_dir()
