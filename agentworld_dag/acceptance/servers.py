"""What the loop is accepted on, for real and thrown away afterwards: an S3 server, PostgreSQL, MLflow over both.

Everything is on loopback. `infra/ceph.sh` and `infra/postgres.sh` start the
servers that are no Python programs, and must be installed.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agentworld_dag.drill.processes import answers, free_port, start, stop, tool, wait_for
from agentworld_dag.errors import RunError
from agentworld_dag.home import PRESETS, REMOTE_LAKE
from agentworld_dag.jobs.instance import DATABASE
from agentworld_dag.tracking import URI

INFRA = PRESETS.parent
CEPH, POSTGRES = INFRA / "ceph.sh", INFRA / "postgres.sh"
START_TIMEOUT_S, STOP_TIMEOUT_S = 300, 60
MLFLOW_DATABASE, MLFLOW_ARTIFACTS = "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Servers:
    """Where they are, and what nobody may read."""

    environment: Mapping[str, str]
    """Of whatever runs the loop on them."""
    mlflow_database: str
    mlflow_artifacts: str

    @property
    def database(self) -> str:
        return self.environment[DATABASE]

    @property
    def secrets(self) -> tuple[str, ...]:
        password = urlsplit(self.database).password or ""
        return (*(self.environment[name] for name in KEYS), password)


@contextmanager
def scripted(script: Path, folder: Path) -> Iterator[dict[str, str]]:
    """What `SCRIPT start FOLDER` starts, as the variables it prints; stopped afterwards. Raises RunError.

    One that a process which was killed left in the folder is stopped first.
    """
    stop_scripted(script, folder)
    try:
        started = subprocess.run(
            [script, "start", folder],
            stdout=subprocess.PIPE,
            text=True,
            timeout=START_TIMEOUT_S,
            start_new_session=True,
        )
        if started.returncode:
            raise RunError(f"{script.name} start {folder} failed; why is told above")
        yield dict(line.split("=", 1) for line in started.stdout.splitlines())
    finally:
        stop_scripted(script, folder)


def stop_scripted(script: Path, folder: Path) -> None:
    """In a session of its own: a ctrl-C is ours to act on, and must not cut this short."""
    subprocess.run([script, "stop", folder], timeout=STOP_TIMEOUT_S, start_new_session=True, check=True)


@contextmanager
def servers_over(s3: Mapping[str, str], folder: Path, logs: Path) -> Iterator[Servers]:
    """PostgreSQL, and an MLflow server over it and the bucket that `s3` names; gone afterwards. Raises RunError."""
    bucket = s3[REMOTE_LAKE]
    with scripted(POSTGRES, folder / "postgres") as databases:
        record, artifacts = databases.pop(MLFLOW_DATABASE), f"{bucket}/mlflow"
        with mlflow_server({**s3, MLFLOW_DATABASE: record, MLFLOW_ARTIFACTS: artifacts}, logs) as url:
            environment = {**s3, **databases, REMOTE_LAKE: f"{bucket}/lake", URI: url}
            yield Servers(environment, record, artifacts)


@contextmanager
def mlflow_server(settings: Mapping[str, str], logs: Path) -> Iterator[str]:
    """Its address. What it needs to know comes by the environment: a command line can be read by everybody."""
    port = free_port()
    command = [tool("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = start("mlflow", command, {**os.environ, **settings, **quiet}, logs)
    try:
        wait_for("mlflow", server, lambda: answers(f"http://127.0.0.1:{port}/health"), logs)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop([server])
