"""Training stages as two processes over gloo: what they learn, where they stop, and who leaves what behind."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.exit_codes import FINISHED, RESUME_ME
from agentworld_dag.training.checkpoints import flaw
from tests.disturbed import CPT, MODULES, SFT, Training, log_of, make_trainings, wait_for_steps, weights

BY_HALF_PRECISION = 2e-3
"""How far apart losses may be: the products of two halves of a batch are rounded otherwise than those of the whole."""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Training]:
    return make_trainings(tmp_path_factory.mktemp("several"))


def ended(processes: list[Any]) -> list[int]:
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def steps(out: Path) -> list[dict[str, float]]:
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [found for line in lines if "loss" in (found := json.loads(line)["metrics"])]


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_every_training_stage_runs_as_two_processes(
    trainings: dict[str, Training], tmp_path: Path, module: str
) -> None:
    training, out = trainings[module], tmp_path / "two"
    assert ended(training.begin_several(out, 2)) == [FINISHED, FINISHED], log_of(out).read_text()
    [start] = [folder for name, folder in training.inputs.items() if (folder / "checkpoint").is_dir()]
    assert weights(out) != weights(start)
    assert ended(training.begin_several(out, 2)) == [FINISHED, FINISHED]
    assert "is complete, nothing to do" in log_of(out).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("module", [CPT, SFT])
def test_two_processes_see_the_losses_that_one_sees(
    trainings: dict[str, Training], tmp_path: Path, module: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert trainings[module].run(one) == FINISHED
    assert ended(trainings[module].begin_several(two, 2)) == [FINISHED, FINISHED], log_of(two).read_text()
    # At the end of an epoch the last rows are too few for two.
    alike = [(a, b) for a, b in zip(steps(one), steps(two), strict=True) if a["num_tokens"] == b["num_tokens"]]
    assert len(alike) >= 3
    assert [a["loss"] for a, _ in alike] == pytest.approx([b["loss"] for _, b in alike], rel=BY_HALF_PRECISION)
    assert len({a["loss"] for a, _ in alike}) == len(alike), "losses change at all"


@pytest.mark.slow
def test_all_stop_at_the_step_at_which_one_is_asked_to_and_go_on_from_there(
    trainings: dict[str, Training], tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert ended(trainings[CPT].begin_several(whole, 2)) == [FINISHED, FINISHED]
    processes = trainings[CPT].begin_several(out, 2)
    wait_for_steps(processes[0], out, 3)
    os.kill(processes[1].pid, signal.SIGTERM)
    assert ended(processes) == [RESUME_ME, RESUME_ME], log_of(out).read_text()
    [kept] = sorted((out / "trainer").glob("checkpoint-*"))[-1:]
    assert flaw(kept) is None
    assert ended(trainings[CPT].begin_several(out, 2)) == [FINISHED, FINISHED]
    assert weights(out) == weights(whole)
