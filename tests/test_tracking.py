"""Where MLflow is said to be."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds

from agentworld_dag.errors import ConfigError, RegistryError
from agentworld_dag.home import home
from agentworld_dag.tracking import URI, naming_server


def test_a_password_in_the_address_is_refused_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URI, "https://me:hush@mlflow.example")
    with pytest.raises(ConfigError, match=f"{URI} holds a password, .* into MLFLOW_TRACKING_USERNAME and") as refused:
        _ = home().mlflow_uri
    assert "hush" not in str(refused.value)


def test_a_server_is_taken_as_it_is_named_and_none_means_the_local_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URI, "https://me@mlflow.example")
    assert home().mlflow_uri == "https://me@mlflow.example"
    monkeypatch.setenv(URI, "")
    assert home().mlflow_uri == f"sqlite:///{home().root}/mlflow/mlflow.db"


class Old(BaseHTTPRequestHandler):
    """An MLflow server from before spans could be sent to one."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"3.3.0" if self.path == "/version" else b"{}")

    def log_message(self, format: str, *args: object) -> None: ...


def test_a_server_too_old_for_what_it_is_asked_is_named() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Old) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        store = RestStore(lambda: MlflowHostCreds(url))
        span: Any = object()
        with pytest.raises(RegistryError, match=rf"MLflow at {url} failed: .*less than 3\.4"), naming_server(url):
            store.log_spans("1", [span])
        server.shutdown()
