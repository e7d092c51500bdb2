"""What every launcher of remote jobs owes: a job outlives its step and its connection, and a cancelled one ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from agentworld_dag.artifacts import read_result
from tests.resources.breakable import Breakable
from tests.resources.launching import launched, logged, toy

DEADLINE_S = 240


def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def attempts(tmp_path: Path) -> list[int]:
    """Process ids of the toy stage, one for every attempt."""
    path = toy(tmp_path, "").out / "attempts"
    return [int(line) for line in path.read_text().splitlines()] if path.is_file() else []


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def begun(launcher: dg.ConfigurableResource, tmp_path: Path, ways: str) -> "subprocess.Popen[bytes]":
    """A step in another process, whose stage is at work."""
    where = f"{type(launcher).__module__}:{type(launcher).__name__}"
    arguments = [where, json.dumps(launcher.model_dump()), str(tmp_path), ways]
    step = subprocess.Popen([sys.executable, "-m", "tests.resources.step", *arguments], stderr=subprocess.DEVNULL)
    until(lambda: attempts(tmp_path) or step.poll() is not None)
    assert step.poll() is None
    return step


def ends_what_is_cancelled(launcher: Any, tmp_path: Path) -> None:
    step = begun(launcher, tmp_path, "sleep")
    [stage] = attempts(tmp_path)
    step.send_signal(signal.SIGINT)
    step.wait(DEADLINE_S)
    assert is_gone(stage)


def ends_what_is_cancelled_without_a_connection(launcher: Any, tmp_path: Path, connection: Breakable) -> None:
    step = begun(launcher, tmp_path, "sleep")
    [stage] = attempts(tmp_path)
    connection.cut()
    step.send_signal(signal.SIGINT)
    time.sleep(5)
    assert step.poll() is None
    assert not is_gone(stage)
    connection.mend()
    step.wait(DEADLINE_S)
    assert is_gone(stage)


def attaches_to_what_is_there(launcher: Any, tmp_path: Path) -> None:
    step = begun(launcher, tmp_path, "wait")
    step.kill()
    step.wait()
    threading.Timer(8, _go, [tmp_path]).start()
    result, instance = launched(launcher, toy(tmp_path, "wait"), tmp_path)
    assert result.success
    lines = logged(result, instance)
    assert any(line.startswith("attached to ") for line in lines)
    assert "attempt 1" in lines
    assert read_result(toy(tmp_path, "").out)["metrics"] == {"attempts": 1}


def outlives_its_connection(launcher: Any, tmp_path: Path, connection: Breakable) -> None:
    def cut() -> None:
        until(lambda: attempts(tmp_path))
        connection.cut()
        time.sleep(5)
        _go(tmp_path)
        connection.mend()

    threading.Thread(target=cut).start()
    result, instance = launched(launcher, toy(tmp_path, "wait"), tmp_path)
    assert result.success
    lines = logged(result, instance)
    assert lines.count("attempt 1") == 1
    assert any("is out of reach" in line for line in lines)
    assert read_result(toy(tmp_path, "").out)["metrics"] == {"attempts": 1}


def gives_up_when_patience_is_over(launcher: Any, tmp_path: Path, connection: Breakable) -> str:
    """What the step says."""
    connection.cut()
    try:
        result, _ = launched(launcher, toy(tmp_path, "finish"), tmp_path)
    finally:
        connection.mend()
    [failed] = result.get_step_failure_events()
    user_failure = failed.step_failure_data.user_failure_data
    if user_failure is None:
        pytest.fail(str(failed))
    return user_failure.description or ""


def _go(tmp_path: Path) -> None:
    (toy(tmp_path, "").out / "go").touch()
