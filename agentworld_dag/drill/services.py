"""The processes of a deployment on one machine, for real, on free loopback ports, and ended together.

An MLflow server, Dagster's code server, daemon and webserver. The code server
is a process of its own: runs are its children, and outlive a daemon.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from agentworld_dag.drill.processes import answers, free_port, listens, start, stop, tool, wait_for
from agentworld_dag.home import REMOTE_LAKE, ROOT, Home
from agentworld_dag.tracking import URI

MODULE, LOCATION = "agentworld_dag.definitions", "agentworld_dag"
"""What is served, and its name everywhere else: the record of sensors and schedules is kept under it."""


@dataclass
class Deployment:
    """Where the parts answer. State: their processes, by name."""

    home: Home
    mlflow_url: str
    dagster_url: str
    environment: Mapping[str, str]
    parts: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        return self.home.root / "logs"

    @property
    def workspace(self) -> Path:
        return self.home.root / "workspace.yaml"

    def start(self, name: str, command: list[str], ready: Callable[[], bool] | None = None) -> None:
        self.parts[name] = start(name, command, self.environment, self.logs)
        if ready:
            wait_for(name, self.parts[name], ready, self.logs)

    def start_daemon(self, name: str = "daemon") -> None:
        self.start(name, [tool("dagster-daemon"), "run", "-w", str(self.workspace)])

    def kill_daemon(self) -> None:
        """By SIGKILL; another one is started at once."""
        self.parts["daemon"].kill()
        self.parts["daemon"].wait()
        self.start_daemon("daemon-again")


@contextmanager
def deployed(home: Home, settings: Mapping[str, str]) -> Iterator[Deployment]:
    """Everything up; everything and what it started is gone afterwards. `settings`: environment variables.

    Raises RunError with the last lines of the log of a part that does not come up.
    """
    code, dagster, mlflow = (free_port() for _ in range(3))
    mlflow_url, dagster_url = f"http://127.0.0.1:{mlflow}", f"http://127.0.0.1:{dagster}"
    found = Deployment(home, mlflow_url, dagster_url, _environment(home, mlflow_url, settings))
    found.logs.mkdir(parents=True, exist_ok=True)
    server = {"host": "127.0.0.1", "port": code, "location_name": LOCATION}
    found.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    try:
        found.start("mlflow", _mlflow(home, mlflow))
        found.start("code-server", _dagster("api", "grpc", "-m", MODULE, code), lambda: listens(code))
        wait_for("mlflow", found.parts["mlflow"], lambda: answers(f"{mlflow_url}/health"), found.logs)
        found.start_daemon()
        webserver = [tool("dagster-webserver"), "-w", str(found.workspace), "-h", "127.0.0.1", "-p", str(dagster)]
        found.start("webserver", webserver, lambda: answers(f"{dagster_url}/server_info"))
        yield found
    finally:
        stop(list(found.parts.values()))


def _environment(home: Home, mlflow_url: str, settings: Mapping[str, str]) -> dict[str, str]:
    ours = {
        ROOT: str(home.root),
        REMOTE_LAKE: "",  # a rehearsal is nobody else's business
        "DAGSTER_HOME": str(home.dagster),
        URI: mlflow_url,
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
