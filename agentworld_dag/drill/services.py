"""The processes of a deployment on one machine, for real, on free loopback ports, and ended together.

An MLflow server, Dagster's code server, daemon and webserver. The code server
is a process of its own: runs are its children, and outlive a daemon.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from agentworld_dag.drill.processes import answers, free_port, listens, start, stop, tool, wait_for
from agentworld_dag.home import REMOTE_LAKE, ROOT, Home
from agentworld_dag.tracking import URI

MODULE, LOCATION = "agentworld_dag.definitions", "agentworld_dag"
"""What is served, and its name everywhere else: the record of sensors and schedules is kept under it."""


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
    code, dagster, mlflow = (free_port() for _ in range(3))
    found = Deployment(f"http://127.0.0.1:{mlflow}", f"http://127.0.0.1:{dagster}", home.root / "logs")
    found.logs.mkdir(parents=True, exist_ok=True)
    environment = _environment(home, found, settings)
    workspace = home.root / "workspace.yaml"
    server = {"host": "127.0.0.1", "port": code, "location_name": LOCATION}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(start("mlflow", _mlflow(home, mlflow), environment, found.logs))
        started.append(start("code-server", _dagster("api", "grpc", "-m", MODULE, code), environment, found.logs))
        wait_for("mlflow", started[0], lambda: answers(f"{found.mlflow_url}/health"), found.logs)
        wait_for("code-server", started[1], lambda: listens(code), found.logs)
        started.append(start("daemon", [tool("dagster-daemon"), "run", "-w", str(workspace)], environment, found.logs))
        webserver = [tool("dagster-webserver"), "-w", str(workspace), "-h", "127.0.0.1", "-p", str(dagster)]
        started.append(start("webserver", webserver, environment, found.logs))
        wait_for("webserver", started[3], lambda: answers(f"{found.dagster_url}/server_info"), found.logs)
        yield found
    finally:
        stop(started)


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
    return [tool("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *store]


def _dagster(*arguments: object) -> list[str]:
    *words, port = map(str, arguments)
    return [tool("dagster"), *words, "--host", "127.0.0.1", "--port", port]
