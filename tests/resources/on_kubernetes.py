"""Launchers whose pods go to a stand-in for the API server, through a connection that can be broken."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agentworld_dag.resources.kubernetes_jobs import KubernetesJobs
from tests.resources.breakable import Breakable
from tests.resources.kubernetes_stub import Stub, end_all

SECRET = "hush-hush"
NAME = "toy-0123456789ab"
"""The pod of `launching.toy`."""


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    server = Stub(tmp_path_factory.mktemp("cluster"), {"lake-credentials": {"AWS_SECRET_ACCESS_KEY": SECRET}})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    end_all(server)


@pytest.fixture
def connection(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Breakable:
    """To the stub, through which the tests' own KUBECONFIG leads."""
    connection = Breakable(stub.server_address[1])
    named = {"name": "stub"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [named | {"cluster": {"server": f"http://127.0.0.1:{connection.port}"}}],
        "users": [named | {"user": {}}],
        "contexts": [named | {"context": {"cluster": "stub", "user": "stub"}}],
        "current-context": "stub",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return connection


@pytest.fixture
def jobs(connection: Breakable, request: pytest.FixtureRequest) -> KubernetesJobs:
    """In a namespace of the test's own."""
    namespace = f"n{abs(hash(request.node.name))}"
    return KubernetesJobs(
        tracking_uri="",
        image="registry.invalid/agentworld:1",
        namespace=namespace,
        python=sys.executable,
        secrets=["lake-credentials"],
        claims={"lake": "/lake"},
        node_selector={"gpu": "h100"},
        pod_security={"runAsNonRoot": True, "runAsUser": 1000},
        container_security={"allowPrivilegeEscalation": False},
        patience_s=60,
    )
