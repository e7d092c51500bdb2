"""The same tests on a local database and on a real tracking server over another."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from agentworld_dag.resources.registry import ModelRegistry
from tests.resources.on_kubernetes import connection, jobs, stub
from tests.resources.real_slurm import slurm, slurm_of_two_nodes
from tests.small_loop import base, splits

__all__ = ["base", "connection", "jobs", "slurm", "slurm_of_two_nodes", "splits", "stub"]

START_TIMEOUT_S = 120


@pytest.fixture(scope="session", params=["database", "server"])
def uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    database = f"sqlite:///{folder / 'mlflow.db'}"
    if request.param == "database":
        yield database
    else:
        yield from served(database, folder)


def served(database: str, folder: Path) -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    store = ["--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen([*command, *store], env=quiet, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until_up(f"http://127.0.0.1:{port}/health", folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def wait_until_up(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                pytest.fail(log.read_text())
            time.sleep(0.2)


@pytest.fixture
def registry(uri: str) -> ModelRegistry:
    return ModelRegistry(tracking_uri=uri)


@pytest.fixture
def client(registry: ModelRegistry) -> MlflowClient:
    """Asked after the registry has set how often a request is repeated."""
    registry.check("round-0001")
    return MlflowClient(registry.tracking_uri)


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    """The store is shared: every test has a model and an experiment of its own."""
    return re.sub(r"\W", "-", request.node.name)


@pytest.fixture
def run_id(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name("agentworld/round-0001")
    assert experiment is not None
    return client.create_run(experiment.experiment_id).info.run_id


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "lake" / "checkpoint"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    return folder
