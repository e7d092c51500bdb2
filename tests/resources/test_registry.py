"""Versions in a real MLflow store, and what a reviewer finds there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts
from mlflow.tracking import MlflowClient

from agentworld_dag.errors import RegistryError
from agentworld_dag.resources import registry as registry_module
from agentworld_dag.resources.registry import CANDIDATE, FINGERPRINT, MAX_CARD_CHARS, ModelRegistry

DOWN = "http://127.0.0.1:9"


def registered(registry: ModelRegistry, model: str, run_id: str, checkpoint: Path, count: int) -> None:
    for number in range(count):
        registry.register(model, run_id, checkpoint, {FINGERPRINT: f"{model}-{number}"})


def test_version_is_made_once_per_fingerprint_and_downloads(
    registry: ModelRegistry,
    client: MlflowClient,
    model: str,
    run_id: str,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tags = {FINGERPRINT: "abc", "dagster/asset_key": "world_model_rl"}
    first = registry.register(model, run_id, checkpoint, tags)
    assert registry.register(model, run_id, checkpoint, tags) == first
    second = registry.register(model, run_id, checkpoint, tags | {FINGERPRINT: "def"})
    assert second != first

    registry.make_candidate(model, second)
    version = client.get_model_version_by_alias(model, CANDIDATE)
    assert (int(version.version), version.tags["dagster/asset_key"]) == (int(second), "world_model_rl")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking_uri)
    local = download_artifacts(f"models:/{model}@{CANDIDATE}", dst_path=str(tmp_path / "down"))
    assert (Path(local) / "config.json").read_text() == '{"model_type": "qwen3"}'


def test_run_of_another_store_is_named(registry: ModelRegistry, model: str, checkpoint: Path) -> None:
    with pytest.raises(RegistryError, match=f"MLflow at {registry.tracking_uri} failed"):
        registry.register(model, "0" * 32, checkpoint, {FINGERPRINT: "abc"})


def test_a_model_that_does_not_exist_has_no_versions(registry: ModelRegistry, model: str) -> None:
    assert registry.versions(model) == []


def test_versions_come_oldest_first_from_all_pages(
    registry: ModelRegistry, model: str, run_id: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "VERSIONS_PER_PAGE", 2)
    registered(registry, model, run_id, checkpoint, 5)
    found = registry.versions(model)
    assert [version.number for version in found] == [1, 2, 3, 4, 5]
    assert [version.tags[FINGERPRINT] for version in found] == [f"{model}-{number}" for number in range(5)]


def test_a_version_knows_when_it_was_made(
    registry: ModelRegistry, client: MlflowClient, model: str, run_id: str, checkpoint: Path
) -> None:
    registered(registry, model, run_id, checkpoint, 1)
    [found] = registry.versions(model)
    assert found.created_at == client.get_model_version(model, "1").creation_timestamp / 1000
    assert found.created_at > client.get_run(run_id).info.start_time / 1000 - 1


def test_tags_are_added_to_those_that_are_there(
    registry: ModelRegistry, model: str, run_id: str, checkpoint: Path
) -> None:
    registered(registry, model, run_id, checkpoint, 2)
    registry.tag(model, 2, {"review": "rejected", "review_comment": "worse at rm"})
    registry.tag(model, 2, {"review": "approved"})
    first, second = registry.versions(model)
    assert "review" not in first.tags
    assert second.tags == {FINGERPRINT: f"{model}-1", "review": "approved", "review_comment": "worse at rm"}


def test_an_alias_moves_and_goes(registry: ModelRegistry, model: str, run_id: str, checkpoint: Path) -> None:
    registered(registry, model, run_id, checkpoint, 2)
    registry.give_alias(model, "champion", 1)
    registry.give_alias(model, CANDIDATE, 2)
    assert [version.aliases for version in registry.versions(model)] == [("champion",), (CANDIDATE,)]
    registry.give_alias(model, "champion", 2)
    assert [version.aliases for version in registry.versions(model)] == [(), (CANDIDATE, "champion")]
    registry.take_alias(model, CANDIDATE)
    assert [version.aliases for version in registry.versions(model)] == [(), ("champion",)]


def test_taking_an_alias_that_nobody_has_is_no_error(
    registry: ModelRegistry, model: str, run_id: str, checkpoint: Path
) -> None:
    registry.take_alias(model, CANDIDATE)
    registered(registry, model, run_id, checkpoint, 1)
    registry.take_alias(model, CANDIDATE)
    assert [version.aliases for version in registry.versions(model)] == [()]


def test_an_alias_for_a_missing_version_is_refused(
    registry: ModelRegistry, model: str, run_id: str, checkpoint: Path
) -> None:
    registered(registry, model, run_id, checkpoint, 1)
    with pytest.raises(RegistryError, match=r"MLflow at .* failed"):
        registry.give_alias(model, "champion", 7)


def test_the_card_is_the_description_of_its_version(
    registry: ModelRegistry, client: MlflowClient, model: str, run_id: str, checkpoint: Path
) -> None:
    registered(registry, model, run_id, checkpoint, 2)
    registry.describe(model, 2, "## Scores\n\n| a |\n| --- |\n| 0.9 |\n")
    assert client.get_model_version(model, "2").description == "## Scores\n\n| a |\n| --- |\n| 0.9 |\n"
    assert not client.get_model_version(model, "1").description


def test_a_card_that_a_database_would_refuse_is_refused(registry: ModelRegistry, model: str) -> None:
    with pytest.raises(RegistryError, match="has 5001 characters; MLflow takes 5000"):
        registry.describe(model, 1, "x" * (MAX_CARD_CHARS + 1))


def test_attached_files_lie_in_the_version_s_own_run(
    registry: ModelRegistry, client: MlflowClient, model: str, run_id: str, checkpoint: Path, tmp_path: Path
) -> None:
    registered(registry, model, run_id, checkpoint, 1)
    pack = tmp_path / "pack"
    (pack / "pictures").mkdir(parents=True)
    (pack / "report.md").write_text("# Report")
    (pack / "pictures" / "drift.svg").write_text("<svg/>")
    registry.attach(model, 1, pack)
    assert {file.path for file in client.list_artifacts(run_id, "review")} == {"review/report.md", "review/pictures"}
    local = client.download_artifacts(run_id, "review/pictures/drift.svg", str(tmp_path))
    assert Path(local).read_text() == "<svg/>"


def test_files_of_a_missing_version_are_refused(registry: ModelRegistry, model: str, checkpoint: Path) -> None:
    with pytest.raises(RegistryError, match=r"MLflow at .* failed"):
        registry.attach(model, 1, checkpoint)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda registry, folder: registry.check("round-0001"), id="check"),
        pytest.param(lambda registry, folder: registry.versions("m"), id="versions"),
        pytest.param(lambda registry, folder: registry.tag("m", 1, {"review": "approved"}), id="tag"),
        pytest.param(lambda registry, folder: registry.give_alias("m", "champion", 1), id="give_alias"),
        pytest.param(lambda registry, folder: registry.take_alias("m", "champion"), id="take_alias"),
        pytest.param(lambda registry, folder: registry.describe("m", 1, "card"), id="describe"),
        pytest.param(lambda registry, folder: registry.attach("m", 1, folder), id="attach"),
        pytest.param(lambda registry, folder: registry.log_rollouts("e", [], {"version": "1"}), id="log_rollouts"),
    ],
)
def test_a_server_that_is_down_is_named(call: Callable[[ModelRegistry, Path], object], tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9 failed"):
        call(ModelRegistry(tracking_uri=DOWN), tmp_path)
