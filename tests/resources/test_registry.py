"""Versions in a real MLflow store."""

from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts
from mlflow.tracking import MlflowClient

from agentworld_dag.errors import RegistryError
from agentworld_dag.resources.registry import CANDIDATE, FINGERPRINT, ModelRegistry

MODEL = "world-model"


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def run_id(uri: str) -> str:
    ModelRegistry(tracking_uri=uri).check("round-0001")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("agentworld/round-0001")
    assert experiment is not None
    return client.create_run(experiment.experiment_id).info.run_id


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "lake" / "checkpoint"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    return folder


def test_version_is_made_once_per_fingerprint_and_downloads(uri, run_id, checkpoint, tmp_path, monkeypatch):
    registry = ModelRegistry(tracking_uri=uri)
    tags = {FINGERPRINT: "abc", "dagster/asset_key": "world_model_rl"}
    first = registry.register(MODEL, run_id, checkpoint, tags)
    assert registry.register(MODEL, run_id, checkpoint, tags) == first
    second = registry.register(MODEL, run_id, checkpoint, tags | {FINGERPRINT: "def"})
    assert second != first

    registry.make_candidate(MODEL, second)
    client = MlflowClient(uri)
    version = client.get_model_version_by_alias(MODEL, CANDIDATE)
    assert (version.version, version.tags["dagster/asset_key"]) == (int(second), "world_model_rl")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    local = download_artifacts(f"models:/{MODEL}@{CANDIDATE}", dst_path=str(tmp_path / "down"))
    assert (Path(local) / "config.json").read_text() == '{"model_type": "qwen3"}'


def test_run_of_another_store_is_named(uri, checkpoint):
    with pytest.raises(RegistryError, match=f"MLflow at {uri} failed"):
        ModelRegistry(tracking_uri=uri).register(MODEL, "0" * 32, checkpoint, {FINGERPRINT: "abc"})


def test_unreachable_server_is_named_within_seconds():
    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9 failed"):
        ModelRegistry(tracking_uri="http://127.0.0.1:9").check("round-0001")
