"""Training that is stopped on one machine and goes on, on another, from the checkpoint in the remote."""

import json
import logging
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from agentworld_dag.artifacts import METRICS
from agentworld_dag.exit_codes import FINISHED, RESUME_ME
from agentworld_dag.stage import GROWN, Stage
from agentworld_dag.stopping import Stopped
from agentworld_dag.training import sft
from tests.disturbed import CPT, log_of, wait_for_steps, weights
from tests.lake.proxy import Fault, Proxy
from tests.small_loop import base, new_stage, splits
from tests.training.test_sharded import Training, ended, sharding, trainings

__all__ = ["base", "sharding", "splits", "trainings"]
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


@pytest.mark.slow
def test_shards_go_to_another_machine_whole(
    url: str, trainings: dict[str, Training], sharding: Mapping[str, str], tmp_path: Path
) -> None:
    given = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "AGENTWORLD_"))}
    a, b = ({**given, **sharding, "AGENTWORLD_HOME": str(tmp_path / machine)} for machine in ("a", "b"))
    lost, out = (Path(home["AGENTWORLD_HOME"]) / "lake" / TRAINING for home in (a, b))
    for folder in (lost, out):
        folder.parent.mkdir(parents=True)
    processes = trainings[CPT].begin_several(lost, 2, **a)
    wait_for_steps(processes[0], lost, 3)
    os.kill(processes[0].pid, signal.SIGTERM)
    assert ended(processes) == [RESUME_ME, RESUME_ME], log_of(lost).read_text()
    assert list(lost.glob("trainer/checkpoint-*/pytorch_model_fsdp_0/.metadata"))
    assert ended(trainings[CPT].begin_several(out, 2, **b)) == [FINISHED, FINISHED], log_of(out).read_text()
    assert "resumed from step" in log_of(out).read_text()
    assert "removed" not in log_of(out).read_text()
