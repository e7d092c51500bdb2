"""A Dagster instance, and ticks of the real graph's sensors and schedules on it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.definitions.sensor_definition import SensorExecutionData

from agentworld_dag.definitions import defs
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry
from tests import on_record
from tests.registered import copy_of, new_store

DOWN = "http://127.0.0.1:9"
SUNDAY = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)

Tick = Callable[..., SensorExecutionData]
ScheduledTick = Callable[..., ScheduleExecutionData]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_store(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def registry(database: Path, tmp_path: Path) -> ModelRegistry:
    """A real store of the test's own, in which nothing has an alias yet."""
    return copy_of(database, tmp_path)


@pytest.fixture
def tick(instance: dg.DagsterInstance) -> Tick:
    """Evaluates a sensor as the code server does: requests come out with their partition, config and tags resolved."""

    def evaluate(
        sensor: dg.SensorDefinition,
        registry: ModelRegistry | None = None,
        cursor: str | None = None,
        preset: str = "tiny",
    ) -> SensorExecutionData:
        resources = {"preset": RunPreset(name=preset, seed=0), "registry": registry or ModelRegistry(tracking_uri=DOWN)}
        needed = {name: resources[name].get_resource_definition() for name in sensor.required_resource_keys}
        with dg.SensorEvaluationContext(
            instance.get_ref(),
            last_tick_completion_time=None,
            last_run_key=None,
            cursor=cursor,
            repository_name=None,
            repository_def=defs.get_repository_def(),
            resources=needed,
        ) as context:
            return sensor.evaluate_tick(context)

    return evaluate


@pytest.fixture
def scheduled_tick(instance: dg.DagsterInstance) -> ScheduledTick:
    """Evaluates a schedule as the code server does."""

    def evaluate(schedule: dg.ScheduleDefinition, at: datetime = SUNDAY) -> ScheduleExecutionData:
        with dg.ScheduleEvaluationContext(
            instance.get_ref(),
            scheduled_execution_time=at,
            repository_name=None,
            schedule_name=schedule.name,
            repository_def=defs.get_repository_def(),
            resources={"preset": RunPreset(name="tiny", seed=0).get_resource_definition()},
        ) as context:
            return schedule.evaluate_tick(context)

    return evaluate


def is_runnable(job_name: str, run_config: Any) -> bool:
    """Whether the graph's job takes this run configuration."""
    return dg.validate_run_config(defs.resolve_job_def(job_name), dict(run_config)) is not None


@pytest.fixture
def dropped(instance: dg.DagsterInstance) -> str:
    """A champion with one probe that raises an alarm; the probe's name."""
    champion = on_record.promoted(instance, on_record.champion())
    on_record.began(instance, "round-0001", "none")
    return on_record.probed(instance, [champion], on_record.DROPPED)


def asked_for(found: SensorExecutionData) -> str | None:
    """The round that is asked for."""
    assert bool(found.run_requests) != bool(found.skip_message), "each tick asks for something or says why not"
    return found.run_requests[0].partition_key if found.run_requests else None


def told(found: SensorExecutionData) -> str:
    assert not found.run_requests
    return str(found.skip_message)
