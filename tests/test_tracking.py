"""Where MLflow is said to be."""

import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.home import home
from agentworld_dag.tracking import URI


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
