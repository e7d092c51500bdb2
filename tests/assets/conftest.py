"""A Dagster instance, a lake and resources below a temporary folder, and a round to materialise in."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from mlflow.tracking import MlflowClient

from agentworld_dag.assets.champions import ASSETS, agent_champion, world_model_champion
from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.resources.reports import Reports
from agentworld_dag.rounds import FIRST_ROUND, name_of
from agentworld_dag.tracking import connect
from tests import on_record
from tests.assets.forged_round import artifact, forge_round, report
from tests.preset_file import write_preset
from tests.registered import SCORES, copy_of, new_store
from tests.small_loop import base, splits

__all__ = ["base", "splits"]

Materialize = Callable[..., dg.ExecuteInProcessResult]
Decide = Callable[..., dg.ExecuteInProcessResult]
Forge = Callable[..., dict[str, Path]]


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(rounds.name or "", [name_of(number) for number in range(1, 5)])
        yield instance


@pytest.fixture
def materialize(instance: dg.DagsterInstance, tmp_path: Path) -> Materialize:
    """Materialises assets on a quick preset, whose sections may be changed by keyword; no round for unpartitioned."""

    def run(
        assets: Sequence[dg.AssetsDefinition], seed: int = 0, partition: str | None = FIRST_ROUND, **changes: Any
    ) -> dg.ExecuteInProcessResult:
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
        preset = write_preset(tmp_path / "preset.yaml", **changes)
        return dg.materialize(
            assets,
            instance=instance,
            partition_key=partition,
            raise_on_error=False,
            resources={
                "preset": RunPreset(name=str(preset), seed=seed),
                "lake": Lake(root=str(tmp_path / "lake")),
                "jobs": LocalJobs(tracking_uri=uri),
                "registry": ModelRegistry(tracking_uri=uri),
                "reports": Reports(root=str(tmp_path / "reports")),
            },
        )

    return run


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_store(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def registry(database: Path, tmp_path: Path) -> ModelRegistry:
    """A real MLflow store of the test's own, with versions of both models that nobody has decided on."""
    return copy_of(database, tmp_path)


@pytest.fixture
def decide(instance: dg.DagsterInstance, registry: ModelRegistry, tmp_path: Path) -> Decide:
    return decider(instance, registry, tmp_path)


def decider(instance: dg.DagsterInstance, registry: ModelRegistry, folder: Path) -> Decide:
    """Materialises a champion, beside a lake that holds what the versions were compared with."""
    own, lake = registry, folder / "lake"
    for number, scores in SCORES.items():
        on_record.comparison(lake, f"round-{number:04d}", f"c{number}", scores)

    def run(
        model: str = WORLD_MODEL, registry: ModelRegistry = own, auto_promote: bool = False, **config: Any
    ) -> dg.ExecuteInProcessResult:
        preset = write_preset(folder / "preset.yaml", review={"auto_promote": auto_promote})
        return dg.materialize(
            [{WORLD_MODEL: world_model_champion, AGENT: agent_champion}[model]],
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {ASSETS[model]: {"config": config}}},
            resources={
                "preset": RunPreset(name=str(preset), seed=0),
                "lake": Lake(root=str(lake)),
                "registry": registry,
            },
        )

    return run


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    """Of the store that `materialize` registers in."""
    return connect(f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.fixture
def forge(instance: dg.DagsterInstance, tmp_path: Path, base: Path, splits: Path, client: MlflowClient) -> Forge:
    def run(round_name: str = FIRST_ROUND) -> dict[str, Path]:
        return forge_round(instance, tmp_path / "lake", base, splits, client, round_name)

    return run


@pytest.fixture
def compared(instance: dg.DagsterInstance, tmp_path: Path, forge: Forge, materialize: Materialize) -> dict[str, Path]:
    """A first round whose comparisons are forged as well: nothing in it asks a model."""
    folder = artifact(tmp_path / "lake", "candidate_comparison", FIRST_ROUND)
    folders = forge() | {"candidate_comparison": folder}
    sides = {name: {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "clusters": 3} for name in ("candidate", "copy")}
    found = {"fresh": {"fidelity": sides, "self_fed_fidelity": sides, "by_command": {"ls": sides}}}
    turn = {"action": "ls", "predicted": "a", "truth": "a", "exact": True, "champion": None}
    (folder / "comparison.json").write_text(json.dumps(found))
    (folder / "comparison.png").write_bytes(b"PNG")
    (folder / "rollouts.json").write_text(json.dumps([{"title": "one", "initial_state": "cwd=~", "turns": [turn]}]))
    report(instance, "candidate_comparison", FIRST_ROUND, folder)
    assert materialize([round_plan]).success
    return folders


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """What the materialization of an asset shows, as plain values."""
    events = result.asset_materializations_for_node(asset)
    return {name: entry.value for name, entry in events[0].metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The description of the first failed step."""
    data = result.get_step_failure_events()[0].step_failure_data
    return str(data.user_failure_data.description) if data.user_failure_data else str(data.error)
