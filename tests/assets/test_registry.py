"""Candidates in a real MLflow store: compared in a real shell, put up for review, decided on, followed by others."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from agentworld_dag.artifacts import read_result
from agentworld_dag.assets.champions import agent_champion, world_model_champion
from agentworld_dag.assets.comparison import candidate_comparison, policy_comparison
from agentworld_dag.assets.registry import agent_versions, world_model_versions
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.errors import RegistryError
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL
from agentworld_dag.monitoring.review import CANDIDATE
from agentworld_dag.resources.registry import MAX_CARD_CHARS, ModelRegistry
from agentworld_dag.rounds import FIRST_ROUND
from tests.assets.conftest import Forge, Materialize, failure, metadata
from tests.assets.forged_round import approve, candidate

SECOND = "round-0002"
QUICK: dict[str, Any] = {"agent": {"max_new_tokens": 8}, "collection": {"turns_per_episode": 4}}
"""Changes of the preset for whatever asks a model."""


def review_files(client: MlflowClient, version: ModelVersion) -> set[str]:
    assert version.run_id
    return {Path(file.path).name for file in client.list_artifacts(version.run_id, "review")}


def traces(client: MlflowClient, round_name: str, version: str) -> list[Any]:
    experiment = client.get_experiment_by_name(f"agentworld/{round_name}")
    assert experiment is not None
    found = client.search_traces([experiment.experiment_id], filter_string=f"tag.version = '{version}'")
    return list(found)


def test_from_a_first_candidate_to_one_that_stands_beside_its_champion(
    materialize: Materialize, client: MlflowClient, forge: Forge
) -> None:
    folders = forge()
    loop = [round_plan, candidate_comparison, world_model_versions]
    first = materialize(loop, **QUICK)
    assert first.success
    found = candidate(client, WORLD_MODEL)
    assert found is not None
    comparison = Path(metadata(first, "candidate_comparison")["path"])
    assert found.tags["dagster/asset_key"] == "world_model_rl"
    assert found.tags["agentworld/fingerprint"] == folders["world_model_rl"].name
    assert (found.tags["agentworld/round"], found.tags["agentworld/seed"]) == (FIRST_ROUND, "0")
    made = {name.removeprefix("agentworld/made/") for name in found.tags if name.startswith("agentworld/made/")}
    assert made >= {"round_plan", "trajectory_splits", "world_model_rl", "simulator", "candidate_comparison"}
    assert found.tags["agentworld/made/candidate_comparison"] == comparison.name
    assert found.description
    assert found.description == metadata(first, "world_model_versions")["card"]
    assert "There is no champion yet: it is compared with copying the last observation" in found.description
    assert "33 fresh, 3 replayed" in found.description
    assert len(found.description) <= MAX_CARD_CHARS
    shown = {"card.md", "comparison.json", "comparison.png", "leaderboard.md", "rollouts.json"}
    assert review_files(client, found) == shown
    titles = {each["title"] for each in json.loads((comparison / "rollouts.json").read_text())}
    assert {trace.info.tags["mlflow.traceName"] for trace in traces(client, FIRST_ROUND, found.version)} == titles
    registered = client.search_model_versions(f"name = '{WORLD_MODEL}'")
    assert {each.tags["dagster/asset_key"] for each in registered} == {
        f"world_model_{it}" for it in ("cpt", "sft", "rl")
    }

    approve(client, WORLD_MODEL, found)
    assert materialize([world_model_champion], partition=None, **QUICK).success
    assert client.get_model_version_by_alias(WORLD_MODEL, "champion").version == found.version
    forge(SECOND)
    second = materialize(loop, partition=SECOND, **QUICK)
    assert second.success
    assert metadata(second, "round_plan")["champion"] == f"world-model-{found.version}"
    later = candidate(client, WORLD_MODEL)
    assert later is not None
    assert int(later.version) > int(found.version)
    assert f"from the weights of the champion, and compared with the champion, version {found.version}." in str(
        later.description
    )
    assert len(str(later.description)) <= MAX_CARD_CHARS
    sets = json.loads((Path(metadata(second, "candidate_comparison")["path"]) / "comparison.json").read_text())
    assert all("champion" in each["fidelity"] for each in sets.values())


def test_agents_stand_beside_the_champion_agent_and_never_beside_themselves(
    materialize: Materialize, client: MlflowClient, forge: Forge
) -> None:
    folders = forge()
    assert materialize([round_plan]).success
    loop = [policy_comparison, agent_versions]
    first = materialize(loop, **QUICK)
    assert first.success
    found = candidate(client, AGENT)
    assert found is not None
    assert found.tags["dagster/asset_key"] == "agent_sim_rl"
    assert review_files(client, found) == {"card.md", "comparison.json", "comparison.png", "episodes.md"}
    assert "There is no champion yet: it is compared with its start before practice" in str(found.description)

    approve(client, AGENT, found)
    assert materialize([agent_champion], partition=None, **QUICK).success
    again = materialize(loop, **QUICK)
    assert metadata(again, "policy_comparison")["reused"]
    assert client.get_model_version(AGENT, found.version).description == found.description
    assert candidate(client, AGENT) is None, "it was decided on"

    forge(SECOND)
    second = materialize(loop, partition=SECOND, **QUICK)
    used = read_result(Path(metadata(second, "policy_comparison")["path"]))["inputs"]["champion_agent"]
    assert Path(used) == folders["agent_sim_rl"]
    later = candidate(client, AGENT)
    assert later is not None
    assert f"compared with the champion, version {found.version}." in str(later.description)

    approve(client, AGENT, later)
    assert materialize([agent_champion], partition=None, **QUICK).success
    assert metadata(materialize(loop, partition=SECOND, **QUICK), "policy_comparison")["reused"]
    assert client.get_model_version(AGENT, later.version).description == later.description


@pytest.mark.parametrize("decision", ["promoted", "rejected", "rolled_back"])
@pytest.mark.usefixtures("compared")
def test_a_version_that_was_decided_on_is_not_put_up_again(
    materialize: Materialize, client: MlflowClient, decision: str
) -> None:
    assert materialize([world_model_versions]).success
    found = candidate(client, WORLD_MODEL)
    assert found is not None
    client.set_model_version_tag(WORLD_MODEL, found.version, "agentworld/decision", decision)
    client.delete_registered_model_alias(WORLD_MODEL, CANDIDATE)
    assert materialize([world_model_versions]).success
    assert candidate(client, WORLD_MODEL) is None
    assert len(client.search_model_versions(f"name = '{WORLD_MODEL}'")) == 3


@pytest.mark.usefixtures("compared")
def test_whoever_sees_the_alias_finds_the_pack_complete(
    materialize: Materialize, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RegistryError("MLflow is down")

    with monkeypatch.context() as down:
        down.setattr(ModelRegistry, "log_rollouts", refuse)
        assert failure(materialize([world_model_versions])) == "RegistryError: MLflow is down"
    assert candidate(client, WORLD_MODEL) is None
    assert materialize([world_model_versions]).success
    found = candidate(client, WORLD_MODEL)
    assert found is not None
    assert [trace.info.tags["mlflow.traceName"] for trace in traces(client, FIRST_ROUND, found.version)] == ["one"]
    assert len(client.search_model_versions(f"name = '{WORLD_MODEL}'")) == 3, "what was registered is found again"
