"""Stages as processes of this machine: why they ended, whether they go on, and that none is left behind."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag.artifacts import read_result
from agentworld_dag.resources import local_jobs
from agentworld_dag.resources.local_jobs import LocalJobs
from tests.resources.launching import launched, logged, reason, toy

JOBS = LocalJobs(tracking_uri="")

CANCELLED = """
import sys
from pathlib import Path
from tests.resources.launching import launched, toy
from agentworld_dag.resources.local_jobs import LocalJobs

launched(LocalJobs(tracking_uri=""), toy(Path(sys.argv[1]), "sleep"), Path(sys.argv[1]), grace_s=5)
"""


def is_gone(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


def test_a_stage_runs_to_its_end_and_its_log_is_the_step_s(tmp_path: Path) -> None:
    result, instance = launched(JOBS, toy(tmp_path, "finish"), tmp_path)
    assert result.success
    assert read_result(toy(tmp_path, "").out)["metrics"] == {"attempts": 1}
    assert "attempt 1" in logged(result, instance)


@pytest.mark.parametrize(
    ("ways", "told"),
    [
        ("refuse", "TrainError: found 3 actions, expected 4, drop one"),
        ("crash", "tests.resources.toy_stage failed: exit code 1, its traceback is in the step's stderr; "),
        ("no memory", "tests.resources.toy_stage out of memory: could not get 9 GiB; "),
        ("killed", "tests.resources.toy_stage lost: killed by SIGKILL; "),
    ],
)
def test_why_a_stage_ended_is_told_apart(tmp_path: Path, ways: str, told: str) -> None:
    result, _ = launched(JOBS, toy(tmp_path, ways), tmp_path, resumes=0)
    assert reason(result).startswith(told)


def test_what_the_kernel_killed_for_memory_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter((7, 8))
    monkeypatch.setattr(local_jobs, "_killed_for_memory", lambda: next(counts))
    result, _ = launched(JOBS, toy(tmp_path, "killed"), tmp_path, resumes=3)
    assert reason(result).startswith("tests.resources.toy_stage out of memory: the kernel killed it; ")


def test_what_was_stopped_or_lost_goes_on_as_often_as_the_preset_says(tmp_path: Path) -> None:
    script = toy(tmp_path, "killed,stopped,finish")
    result, instance = launched(JOBS, script, tmp_path, resumes=2)
    assert result.success
    assert read_result(script.out)["metrics"] == {"attempts": 3}
    told = [line for line in logged(result, instance) if "resumes in" in line]
    assert [line.split(":")[0] for line in told] == ["lost", "pre-empted"]


def test_what_takes_too_long_is_asked_to_stop_and_told_so(tmp_path: Path) -> None:
    result, _ = launched(JOBS, toy(tmp_path, "sleep"), tmp_path, time_limit_s=8, grace_s=5)
    assert reason(result).startswith("tests.resources.toy_stage over its time limit; ")
    assert is_gone(int((toy(tmp_path, "").out / "attempts").read_text()))


def test_several_nodes_are_refused(tmp_path: Path) -> None:
    script = replace(toy(tmp_path, "finish"), module="agentworld_dag.training.cpt")
    result, _ = launched(JOBS, script, tmp_path, nodes=2)
    assert reason(result).startswith("ConfigError: agentworld_dag.training.cpt asks for 2 nodes, this machine is one: ")


def test_no_more_often_than_that_and_never_after_an_error_of_its_own(tmp_path: Path) -> None:
    script = toy(tmp_path, "killed")
    result, _ = launched(JOBS, script, tmp_path, resumes=1)
    assert reason(result).startswith("tests.resources.toy_stage lost: killed by SIGKILL; ")
    assert len((script.out / "attempts").read_text().splitlines()) == 2
    (script.out / "attempts").unlink()
    launched(JOBS, toy(tmp_path, "refuse,finish"), tmp_path, resumes=1)
    assert len((script.out / "attempts").read_text().splitlines()) == 1


def test_a_step_that_is_interrupted_leaves_no_stage_behind(tmp_path: Path) -> None:
    step = subprocess.Popen([sys.executable, "-c", CANCELLED, str(tmp_path)], stderr=subprocess.DEVNULL)
    attempts = toy(tmp_path, "").out / "attempts"
    deadline = time.monotonic() + 60
    while not (attempts.is_file() and attempts.read_text()):
        assert step.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stage = int(attempts.read_text())
    step.send_signal(signal.SIGINT)
    step.wait(30)
    assert is_gone(stage)
