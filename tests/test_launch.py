"""One script as several processes: how they are started, stopped, and what code that ends with."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import psutil
import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from agentworld_dag import launch
from agentworld_dag.compute import Needs
from agentworld_dag.exit_codes import FAILED, FINISHED, OUT_OF_MEMORY, RESUME_ME
from agentworld_dag.home import ACCELERATE
from agentworld_dag.training.checkpoints import flaw
from tests.disturbed import CPT, Training, logged_steps, make_trainings

SHARDINGS = get_args(Needs.model_fields["sharding"].annotation)


@pytest.fixture(scope="module")
def cpt(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return make_trainings(tmp_path_factory.mktemp("launched"))[CPT]


def started(training: Training, out: Path) -> "subprocess.Popen[str]":
    flags = [f"--config={training.preset}", f"--out={out}"]
    flags += [f"--input={name}={folder}" for name, folder in training.inputs.items()]
    command = [sys.executable, "-m", "agentworld_dag.launch", "--processes", "2", training.module, *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_that_are_asked_to_stop_leave_a_checkpoint_and_go_on_from_it(
    cpt: Training, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = started(cpt, out)
    while process.poll() is None and logged_steps(out) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=120)[1]
    assert process.returncode == RESUME_ME, told
    assert "asked to stop, kept step" in told
    assert all(flaw(kept) is None for kept in (out / "trainer").glob("checkpoint-*"))
    again = started(cpt, out)
    assert again.communicate(timeout=120)[1].count("resumed from step") == 1
    assert again.returncode == FINISHED
    assert (out / "result.json").is_file()


def failing(exit_codes: dict[int, int]) -> ChildFailedError:
    """Of ranks with their codes, in the order in which they failed."""
    failures = {rank: ProcessFailure(rank, 0, code, "/nowhere") for rank, code in exit_codes.items()}
    for order, failure in enumerate(failures.values()):
        failure.timestamp = order
    return ChildFailedError("stage", failures)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (failing({1: OUT_OF_MEMORY, 0: FAILED}), OUT_OF_MEMORY),
        (failing({0: FAILED, 1: OUT_OF_MEMORY}), FAILED),
        (SignalException("asked", signal.SIGTERM), RESUME_ME),
        (SignalException("asked", signal.SIGINT), FAILED),
    ],
)
def test_the_code_is_of_the_process_that_failed_first(raised: Exception, code: int) -> None:
    def run() -> None:
        raise raised

    assert launch._exit_code(run) == code


def test_who_waits_sees_that_a_process_was_killed() -> None:
    code = "import signal; from tests.test_launch import failing; from agentworld_dag import launch\n"
    code += "def run(): raise failing({1: -signal.SIGKILL})\nlaunch._exit_code(run)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL


def test_nodes_that_cannot_find_each_other_are_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASTER_PORT", "23456")
    assert launch.main(["--nodes=2", CPT]) == FAILED
    told = capsys.readouterr().err
    assert told == "ConfigError: 2 nodes find each other by MASTER_ADDR, SLURM_NODEID: not set here\n"


@pytest.mark.slow
def test_no_process_outlives_the_launcher(cpt: Training, tmp_path: Path) -> None:
    process = started(cpt, tmp_path / "out")
    while process.poll() is None and logged_steps(tmp_path / "out") < 1:
        time.sleep(0.01)
    ranks = psutil.Process(process.pid).children()
    assert len(ranks) == 2
    process.kill()
    assert not psutil.wait_procs(ranks, timeout=10)[1]


def test_every_sharding_has_a_configuration_and_none_is_left_over() -> None:
    assert {path.stem for path in ACCELERATE.glob("*.yaml")} == set(SHARDINGS)


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_accelerate_understands_it(sharding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_NODEID": "1", "MASTER_ADDR": "head", "MASTER_PORT": "23456"}.items():
        monkeypatch.setenv(name, value)
    flags = ["--processes=8", "--nodes=2", f"--sharding={sharding}", CPT, "--out", "there"]
    asked = launch_command_parser().parse_args(launch.accelerate_arguments(launch.parser().parse_args(flags)))
    found, _, _ = _validate_launch_command(asked)
    assert (found.use_fsdp, found.use_deepspeed) == (sharding == "fsdp2", sharding == "zero3")
    assert (found.num_processes, found.num_machines, found.machine_rank) == (16, 2, 1)
    assert (found.main_process_ip, found.main_process_port) == ("head", 23456)
    assert (found.training_script, found.training_script_args) == (CPT, ["--out", "there"])
    if found.use_fsdp:
        assert int(found.fsdp_version) == 2
    if found.use_deepspeed:
        assert int(found.zero_stage) == 3
