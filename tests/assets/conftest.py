"""A Dagster instance, a lake and resources below a temporary folder, and a round to materialise in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from mlflow.tracking import MlflowClient

from agentworld_dag.partitions import rounds
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.resources.reports import Reports
from agentworld_dag.rounds import FIRST_ROUND, name_of
from agentworld_dag.tracking import connect
from tests.preset_file import write_preset

Materialize = Callable[..., dg.ExecuteInProcessResult]


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


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    """Of the store that `materialize` registers in."""
    return connect(f"sqlite:///{tmp_path / 'mlflow.db'}")


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """What the materialization of an asset shows, as plain values."""
    events = result.asset_materializations_for_node(asset)
    return {name: entry.value for name, entry in events[0].metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The description of the first failed step."""
    data = result.get_step_failure_events()[0].step_failure_data
    return str(data.user_failure_data.description) if data.user_failure_data else str(data.error)
