"""What a tick costs the code server: no ML library is imported, and MLflow by no sensor but the one that asks it."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.monitoring.champion import WORLD_MODEL
from agentworld_dag.resources.registry import ModelRegistry
from tests import on_record

HEAVY = ("torch", "transformers", "trl", "vllm", "ray", "datasets", "polars")
TICK = """
import json, sys
from datetime import UTC, datetime
import dagster as dg
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.definitions import defs

folder, name, uri = sys.argv[1:]
own = {"preset": RunPreset(name="tiny", seed=0), "registry": ModelRegistry(tracking_uri=uri)}
resources = {key: resource.get_resource_definition() for key, resource in own.items()}
instance, repository = dg.DagsterInstance.local_temp(folder), defs.get_repository_def()
if repository.has_sensor_def(name):
    found, kind, given = repository.get_sensor_def(name), dg.SensorEvaluationContext, [None, None, None]
else:
    found, kind, given = repository.get_schedule_def(name), dg.ScheduleEvaluationContext, [datetime.now(UTC)]
needed = {key: resources[key] for key in found.required_resource_keys}
with kind(instance.get_ref(), *given, repository_name=None, resources=needed, repository_def=repository) as context:
    asked = found.evaluate_tick(context).run_requests
print(json.dumps([len(asked), sorted(module for module in sys.modules if "." not in module)]))
"""


@pytest.mark.parametrize(
    ("name", "asked", "allowed"),
    [
        ("retrain_on_fidelity_drop", 1, set()),
        ("roll_back_on_regression", 1, set()),
        ("promote_on_review", 2, {"mlflow", "polars"}),  # which MLflow imports
        ("probe_nightly", 1, set()),
        ("retrain_weekly", 1, set()),
    ],
)
def test_a_tick_that_fires_imports_no_ml_library(
    tmp_path: Path, registry: ModelRegistry, name: str, asked: int, allowed: set[str]
) -> None:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        on_record.promoted(instance, on_record.champion(1))
        champion = on_record.promoted(instance, on_record.champion(2))
        on_record.probed(instance, [champion], on_record.DROPPED, {WORLD_MODEL: on_record.WORSE})
    registry.give_alias(WORLD_MODEL, "champion", 2)
    registry.give_alias(WORLD_MODEL, "candidate", 3)
    registry.tag(WORLD_MODEL, 3, {"review": "approved"})
    command = [sys.executable, "-c", TICK, str(tmp_path / "dagster"), name, registry.tracking_uri]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found, modules = json.loads(run.stdout.splitlines()[-1])
    assert found == asked
    assert set(modules) & {*HEAVY, "mlflow"} <= allowed
