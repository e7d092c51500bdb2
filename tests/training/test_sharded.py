"""Training whose weights, gradients and moments are sharded by FSDP2, as two processes over gloo on processors."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from safetensors.torch import load_file

from agentworld_dag import launch
from agentworld_dag.exit_codes import FINISHED, RESUME_ME
from agentworld_dag.training.checkpoints import flaw, load_checkpoint
from tests.disturbed import CPT, IMITATION, SFT, Training, log_of, make_trainings, wait_for_steps, weights

BY_HALF_PRECISION = 1e-2
"""How far apart losses may be: FSDP2 rounds weights to bfloat16 where autocast rounds the operands of products."""
ADAMW = {"optimizer": "adamw"}
CHANGES: dict[str, Any] = {
    "cpt": ADAMW,
    "sft": {**ADAMW, "lora": {"rank": 4, "alpha": 8}, "learning_rate": 1e-2},
    "agent": {"imitation": ADAMW},
}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Training]:
    return make_trainings(tmp_path_factory.mktemp("sharded"), **CHANGES)


@pytest.fixture(scope="module")
def sharding() -> Mapping[str, str]:
    """What `accelerate launch` tells the processes of our configuration for FSDP2."""
    options = launch.parser().parse_args(["--processes=2", "--sharding=fsdp2", CPT])
    asked = launch_command_parser().parse_args(launch.accelerate_arguments(options))
    told = prepare_multi_gpu_env(_validate_launch_command(asked)[0])
    return {name: value for name, value in told.items() if name.startswith(("ACCELERATE_", "FSDP_"))}


def train(training: Training, out: Path, sharding: Mapping[str, str]) -> None:
    processes = training.begin_several(out, 2, **sharding)
    assert ended(processes) == [FINISHED, FINISHED], log_of(out).read_text()


def ended(processes: list[Any]) -> list[int]:
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def losses(out: Path) -> list[float]:
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [found["loss"] for line in lines if "loss" in (found := json.loads(line)["metrics"])]


@pytest.mark.slow
def test_shards_see_the_losses_that_whole_copies_see(
    trainings: dict[str, Training], sharding: Mapping[str, str], tmp_path: Path
) -> None:
    sharded, copied = tmp_path / "sharded", tmp_path / "copied"
    train(trainings[CPT], sharded, sharding)
    train(trainings[CPT], copied, {})
    assert losses(sharded) == pytest.approx(losses(copied), rel=BY_HALF_PRECISION)
    assert losses(sharded)[-1] < 0.9 * losses(sharded)[0]


@pytest.mark.slow
@pytest.mark.parametrize("module", [SFT, IMITATION])
def test_what_is_left_is_one_whole_checkpoint(
    trainings: dict[str, Training], sharding: Mapping[str, str], tmp_path: Path, module: str
) -> None:
    out = tmp_path / "out"
    train(trainings[module], out, sharding)
    [start] = [folder for folder in trainings[module].inputs.values() if (folder / "checkpoint").is_dir()]
    before, after = (load_file(folder / "checkpoint/model.safetensors") for folder in (start, out))
    assert {name: (found.shape, found.dtype) for name, found in after.items()} == {
        name: (found.shape, found.dtype) for name, found in before.items()
    }
    moved = {name for name in after if (after[name] != before[name]).any()}
    assert moved == {name for name in after if module != SFT or "_proj" in name}, "adapters move linear layers alone"
    load_checkpoint(out / "checkpoint")


@pytest.mark.slow
def test_a_stopped_one_goes_on_from_its_shards_to_the_weights_of_an_undisturbed_one(
    trainings: dict[str, Training], sharding: Mapping[str, str], tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    train(trainings[CPT], whole, sharding)
    processes = trainings[CPT].begin_several(out, 2, **sharding)
    wait_for_steps(processes[0], out, 3)
    os.kill(processes[1].pid, signal.SIGTERM)
    assert ended(processes) == [RESUME_ME, RESUME_ME], log_of(out).read_text()
    [kept] = (out / "trainer").glob("checkpoint-*")
    assert flaw(kept) is None
    assert list(kept.glob("pytorch_model_fsdp_0/*.distcp")), "it is sharded at all"
    train(trainings[CPT], out, sharding)
    assert "resumed from step" in log_of(out).read_text()
    assert weights(out) == weights(whole)
