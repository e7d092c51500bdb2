"""Training stages that are killed, stopped and interrupted end as if nothing had happened."""

import random
import signal
import time
from pathlib import Path

import pytest

from agentworld_dag.exit_codes import FINISHED, RESUME_ME
from tests.disturbed import (
    MODULES,
    SIGNALS,
    Training,
    disturb,
    log_of,
    make_trainings,
    wait_for_steps,
    weights,
)


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Training]:
    return make_trainings(tmp_path_factory.mktemp("disturbed"))


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_disturbed_training_ends_with_the_weights_of_an_undisturbed_one(
    trainings: dict[str, Training], tmp_path: Path, module: str
) -> None:
    training, out, whole = trainings[module], tmp_path / "disturbed", tmp_path / "whole"
    assert training.run(whole) == FINISHED, log_of(whole).read_text()
    draw = random.Random(module)
    for sent in draw.sample(SIGNALS, len(SIGNALS)):
        process = training.begin(out)
        wait_for_steps(process, out, draw.randrange(1, 4))
        time.sleep(draw.uniform(0, 0.05))
        code = disturb(process, sent)
        assert code == {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: RESUME_ME, signal.SIGINT: 1}[sent]
    assert training.run(out) == FINISHED, log_of(out).read_text()
    assert weights(out) == weights(whole)
    [start] = [folder for name, folder in training.inputs.items() if (folder / "checkpoint").is_dir()]
    assert weights(out) != weights(start), "the training moves weights at all"
    assert "resumed from step" in log_of(out).read_text()
