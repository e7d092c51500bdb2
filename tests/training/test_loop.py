"""Training stages that are killed, stopped and interrupted end as if nothing had happened."""

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from agentworld_dag.exit_codes import FINISHED, RESUME_ME
from agentworld_dag.stage import Stage
from agentworld_dag.stopping import Stopped
from agentworld_dag.training import sft
from agentworld_dag.training.checkpoints import flaw
from tests.disturbed import (
    NAMES,
    SIGNALS,
    Training,
    disturb,
    log_of,
    make_trainings,
    wait_for_steps,
    weights,
)
from tests.small_loop import small_preset


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Training]:
    return make_trainings(tmp_path_factory.mktemp("disturbed"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_disturbed_training_ends_with_the_weights_of_an_undisturbed_one(
    trainings: dict[str, Training], tmp_path: Path, name: str
) -> None:
    training, out, whole = trainings[name], tmp_path / "disturbed", tmp_path / "whole"
    assert training.run(whole) == FINISHED, log_of(whole).read_text()
    draw = random.Random(name)
    for sent in draw.sample(SIGNALS, len(SIGNALS)):
        process = training.begin(out)
        wait_for_steps(process, out, draw.randrange(1, 4))
        time.sleep(draw.uniform(0, 0.05))
        code = disturb(process, sent)
        assert code == {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: RESUME_ME, signal.SIGINT: 1}[sent]
    assert training.run(out) == FINISHED, log_of(out).read_text()
    assert weights(out) == weights(whole)
    [start] = [folder for folder in training.inputs.values() if (folder / "checkpoint").is_dir()]
    assert weights(out) != weights(start), "the training moves weights at all"
    assert "resumed from step" in log_of(out).read_text()


@pytest.fixture
def tuning(stage, base: Path, splits: Path) -> Stage:
    """Four steps, a checkpoint after the second."""
    return stage("out", {"world_model_cpt": base, "trajectory_splits": splits})


def test_a_loop_that_is_asked_to_stop_keeps_its_step_and_goes_on_from_there(tuning: Stage) -> None:
    sft.work(tuning)
    whole = weights(tuning.out)
    for folder in ("checkpoint", "trainer"):
        shutil.rmtree(tuning.out / folder)
    tuning.stop.asked = True
    with pytest.raises(Stopped) as stopped, tuning.stop.heeded():
        sft.work(tuning)
    assert stopped.value.words == "asked to stop, kept step 1 of 4"
    assert flaw(tuning.out / "trainer" / "checkpoint-1") is None
    assert not (tuning.out / "checkpoint").exists()
    tuning.stop.asked = False
    sft.work(tuning)
    assert weights(tuning.out) == whole


def test_a_loop_that_is_asked_to_stop_in_its_last_step_is_done(stage, base: Path, splits: Path) -> None:
    inputs = {"world_model_cpt": base, "trajectory_splits": splits}
    tuning = stage("out", inputs, sft=small_preset().sft.model_copy(update={"steps": 1}))
    tuning.stop.asked = True
    assert sft.work(tuning)["steps"] == 1
    assert (tuning.out / "checkpoint").is_dir() and not list((tuning.out / "trainer").glob("checkpoint-*"))
