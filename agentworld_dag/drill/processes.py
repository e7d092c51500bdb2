"""Servers on loopback as processes: started with a log each, waited for, and ended with all that they started."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from agentworld_dag.errors import RunError

START_TIMEOUT_S, STOP_TIMEOUT_S = 120.0, 10.0
SHOWN_LOG_CHARS = 1500


def tool(name: str) -> str:
    """A program of this interpreter's environment."""
    return str(Path(sys.executable).parent / name)


def start(name: str, command: list[str], environment: Mapping[str, str], logs: Path) -> "subprocess.Popen[bytes]":
    with (logs / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, env=dict(environment), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def wait_for(name: str, process: "subprocess.Popen[bytes]", ready: Callable[[], bool], logs: Path) -> None:
    """Raises RunError with the last lines of its log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            said = (logs / f"{name}.log").read_text(errors="replace")[-SHOWN_LOG_CHARS:]
            raise RunError(f"{name} did not come up within {START_TIMEOUT_S:.0f} s; its log ends with: {said}")
        time.sleep(0.5)


def stop(processes: Sequence["subprocess.Popen[Any]"]) -> None:
    """Ask every group to end, then end it: each part is the leader of what it started."""
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, kind)
        deadline = time.monotonic() + (STOP_TIMEOUT_S if kind != signal.SIGKILL else 5)
        while any(_group_lives(process) for process in processes) and time.monotonic() < deadline:
            time.sleep(0.2)


def _group_lives(process: "subprocess.Popen[Any]") -> bool:
    process.poll()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        return True
    return False


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
