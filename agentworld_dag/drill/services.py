"""The processes of a deployment on one machine, for real, on free loopback ports, and ended together.

An MLflow server, Dagster's code server, daemon and webserver. The code server
is a process of its own: runs are its children, and outlive a daemon.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from agentworld_dag.errors import RunError
from agentworld_dag.home import REMOTE_LAKE, ROOT, Home
from agentworld_dag.tracking import URI

START_TIMEOUT_S, STOP_TIMEOUT_S = 120.0, 10.0
MODULE, LOCATION = "agentworld_dag.definitions", "agentworld_dag"
"""What is served, and its name everywhere else: the record of sensors and schedules is kept under it."""
SHOWN_LOG_CHARS = 1500


@dataclass(frozen=True)
class Deployment:
    """Where the parts answer."""

    mlflow_url: str
    dagster_url: str
    logs: Path


@contextmanager
def deployed(home: Home, settings: Mapping[str, str]) -> Iterator[Deployment]:
    """Everything up; everything and what it started is gone afterwards. `settings`: environment variables.

    Raises RunError with the last lines of the log of a part that does not come up.
    """
    code, dagster, mlflow = (_free_port() for _ in range(3))
    found = Deployment(f"http://127.0.0.1:{mlflow}", f"http://127.0.0.1:{dagster}", home.root / "logs")
    found.logs.mkdir(parents=True, exist_ok=True)
    environment = _environment(home, found, settings)
    workspace = home.root / "workspace.yaml"
    server = {"host": "127.0.0.1", "port": code, "location_name": LOCATION}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_start("mlflow", _mlflow(home, mlflow), environment, found.logs))
        started.append(_start("code-server", _dagster("api", "grpc", "-m", MODULE, code), environment, found.logs))
        _wait("mlflow", started[0], lambda: _answers(f"{found.mlflow_url}/health"), found.logs)
        _wait("code-server", started[1], lambda: _listens(code), found.logs)
        started.append(
            _start("daemon", [_tool("dagster-daemon"), "run", "-w", str(workspace)], environment, found.logs)
        )
        webserver = [_tool("dagster-webserver"), "-w", str(workspace), "-h", "127.0.0.1", "-p", str(dagster)]
        started.append(_start("webserver", webserver, environment, found.logs))
        _wait("webserver", started[3], lambda: _answers(f"{found.dagster_url}/server_info"), found.logs)
        yield found
    finally:
        _stop(started)


def _environment(home: Home, found: Deployment, settings: Mapping[str, str]) -> dict[str, str]:
    ours = {
        ROOT: str(home.root),
        REMOTE_LAKE: "",  # a rehearsal is nobody else's business
        "DAGSTER_HOME": str(home.dagster),
        URI: found.mlflow_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # MLflow would start job runners that nothing here uses, and outlive it.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    return {**os.environ, **ours, **settings}


def _mlflow(home: Home, port: int) -> list[str]:
    store = ["--backend-store-uri", f"sqlite:///{home.root / 'mlflow' / 'mlflow.db'}"]
    store += ["--default-artifact-root", str(home.root / "mlflow" / "artifacts")]
    return [_tool("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *store]


def _dagster(*arguments: object) -> list[str]:
    *words, port = map(str, arguments)
    return [_tool("dagster"), *words, "--host", "127.0.0.1", "--port", port]


def _tool(name: str) -> str:
    """A program of this interpreter's environment."""
    return str(Path(sys.executable).parent / name)


def _start(name: str, command: list[str], environment: Mapping[str, str], logs: Path) -> "subprocess.Popen[bytes]":
    with (logs / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, env=dict(environment), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait(name: str, process: "subprocess.Popen[bytes]", ready: Callable[[], bool], logs: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            said = (logs / f"{name}.log").read_text(errors="replace")[-SHOWN_LOG_CHARS:]
            raise RunError(f"{name} did not come up within {START_TIMEOUT_S:.0f} s; its log ends with: {said}")
        time.sleep(0.5)


def _stop(processes: list["subprocess.Popen[bytes]"]) -> None:
    """Ask every group to end, then end it: each part is the leader of what it started."""
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, kind)
        deadline = time.monotonic() + (STOP_TIMEOUT_S if kind != signal.SIGKILL else 5)
        while any(_group_lives(process) for process in processes) and time.monotonic() < deadline:
            time.sleep(0.2)


def _group_lives(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        return True
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
