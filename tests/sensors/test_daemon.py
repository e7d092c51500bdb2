"""Sensors and schedules as Dagster's daemon runs them: what becomes of a request, and of one that comes twice."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.instigation_logger import get_instigation_log_records
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from agentworld_dag.definitions import defs
from agentworld_dag.jobs.loop import ONE_AT_A_TIME
from agentworld_dag.monitoring.champion import WORLD_MODEL
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.sensors import history, later_rounds
from tests import on_record
from tests.on_record import WORSE

pytestmark = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")

NOW = datetime.now(UTC)
QUEUED = dg.DagsterRunStatus.QUEUED
LAUNCHER = {"run_launcher": {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}}
"""Runs are created and handed over, and go no further."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(overrides=LAUNCHER) as instance:
        yield instance


@pytest.fixture
def workspace(
    instance: dg.DagsterInstance, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WorkspaceProcessContext]:
    monkeypatch.setenv("TEST_MLFLOW", registry.tracking_uri)
    target = LoadableTargetOrigin(python_file=str(Path(__file__).with_name("graph.py")), attribute="defs")
    location = InProcessCodeLocationOrigin(target, location_name="graph")
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(location)) as workspace:
        yield workspace


def repository(workspace: WorkspaceProcessContext) -> Any:
    location = workspace.create_request_context().get_code_location("graph")
    return next(iter(location.get_repositories().values()))


def tick(workspace: WorkspaceProcessContext, name: str, hours: float = 0.0) -> InstigatorTick:
    """What a daemon that remembers no tick makes of a sensor, so many hours from now."""
    instance, sensor = workspace.instance, repository(workspace).get_sensor(name)
    with freeze_time(NOW + timedelta(hours=hours)):
        instance.start_sensor(sensor)
        list(execute_sensor_iteration(workspace, logging.getLogger("daemon"), None, None))
    [found] = instance.get_ticks(sensor.get_remote_origin_id(), sensor.selector_id, limit=1)
    instance.delete_instigator_state(sensor.get_remote_origin_id(), sensor.selector_id)
    return found


def scheduled_tick(workspace: WorkspaceProcessContext, name: str, at: datetime) -> InstigatorTick:
    """The same of a schedule that was turned on a minute before and is due at a time."""
    instance, schedule = workspace.instance, repository(workspace).get_schedule(name)
    with freeze_time(at - timedelta(minutes=1)):
        instance.start_schedule(schedule)
    with freeze_time(at + timedelta(seconds=5)):
        list(launch_scheduled_runs(workspace, logging.getLogger("daemon"), at + timedelta(seconds=5), {}))
    [found] = instance.get_ticks(schedule.get_remote_origin_id(), schedule.selector_id, limit=1)
    instance.delete_instigator_state(schedule.get_remote_origin_id(), schedule.selector_id)
    return found


def runs(instance: dg.DagsterInstance) -> list[tuple[str, str | None, dg.DagsterRunStatus]]:
    """Job, partition and status of all runs, oldest first."""
    return [(run.job_name, run.tags.get("dagster/partition"), run.status) for run in reversed(instance.get_runs())]


def dropped(instance: dg.DagsterInstance) -> None:
    champion = on_record.promoted(instance, on_record.champion())
    on_record.probed(instance, [champion], on_record.DROPPED)


def test_a_drop_starts_one_run_of_a_new_round_whatever_the_daemon_remembers(
    workspace: WorkspaceProcessContext, instance: dg.DagsterInstance
) -> None:
    assert tick(workspace, "retrain_on_fidelity_drop").status == TickStatus.SKIPPED
    dropped(instance)
    fired = tick(workspace, "retrain_on_fidelity_drop", 1)
    assert (fired.status, len(fired.run_ids)) == (TickStatus.SUCCESS, 1)
    assert instance.has_dynamic_partition(str(rounds.name), "round-0002")
    again = tick(workspace, "retrain_on_fidelity_drop", 2)
    assert "but a retraining is under way" in str(again.skip_reason)
    assert runs(instance) == [("train_world_model", "round-0002", QUEUED)]
    assert ONE_AT_A_TIME.items() <= instance.get_runs()[0].tags.items()


@pytest.mark.parametrize("name", ["train_world_model", "turn_the_loop"])
def test_runs_that_train_a_round_wait_for_each_other_whoever_started_them(name: str) -> None:
    assert ONE_AT_A_TIME.items() <= defs.resolve_job_def(name).run_tags.items()


def test_a_second_daemon_with_an_older_view_of_the_record_starts_no_second_retraining(
    workspace: WorkspaceProcessContext, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped(instance)
    first = tick(workspace, "retrain_on_fidelity_drop")
    monkeypatch.setattr(later_rounds, "retrainings", lambda *_: [])
    monkeypatch.setattr(history, "started", lambda *_: None)
    second = tick(workspace, "retrain_on_fidelity_drop", 1)
    assert second.run_keys == first.run_keys
    assert len(runs(instance)) == 1


def test_a_tick_that_fires_leaves_its_reason_in_its_log(
    workspace: WorkspaceProcessContext, instance: dg.DagsterInstance
) -> None:
    dropped(instance)
    fired = tick(workspace, "retrain_on_fidelity_drop")
    [line] = [record["msg"] for record in get_instigation_log_records(instance, fired.log_key or [])]
    assert "trains round-0002: terminal: drop since probe" in line


def test_an_approval_and_practice_start_one_run_each(
    workspace: WorkspaceProcessContext, instance: dg.DagsterInstance, registry: ModelRegistry
) -> None:
    on_record.promoted(instance, on_record.champion(1))
    registry.give_alias(WORLD_MODEL, "champion", 1)
    registry.give_alias(WORLD_MODEL, "candidate", 2)
    registry.tag(WORLD_MODEL, 2, {"review": "approved"})
    assert len(tick(workspace, "promote_on_review").run_ids) == 2
    again = tick(workspace, "promote_on_review", 1)
    assert "which decides on world-model now" in str(again.skip_reason)
    assert "practice in world-model-1 was started as run" in str(again.skip_reason)
    expected = {("decide_on_world_model", None, QUEUED), ("train_agent", "round-0001", QUEUED)}
    assert set(runs(instance)) == expected
    assert len(runs(instance)) == 2


def test_a_regression_starts_one_run(workspace: WorkspaceProcessContext, instance: dg.DagsterInstance) -> None:
    on_record.promoted(instance, on_record.champion(1))
    champion = on_record.promoted(instance, on_record.champion(2))
    on_record.probed(instance, [champion], leads={WORLD_MODEL: WORSE})
    assert len(tick(workspace, "roll_back_on_regression").run_ids) == 1
    assert "which decides on world-model now" in str(tick(workspace, "roll_back_on_regression", 1).skip_reason)
    assert runs(instance) == [("decide_on_world_model", None, QUEUED)]


@pytest.mark.parametrize(
    ("name", "due", "job", "partition"),
    [
        ("probe_nightly", datetime(2026, 11, 24, 1, tzinfo=UTC), "probe_real_environment", None),
        ("retrain_weekly", datetime(2026, 11, 29, 2, tzinfo=UTC), "train_world_model", "round-0002"),
    ],
)
def test_a_schedule_starts_one_run_for_a_time(
    workspace: WorkspaceProcessContext,
    instance: dg.DagsterInstance,
    name: str,
    due: datetime,
    job: str,
    partition: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_record.promoted(instance, on_record.champion())
    assert len(scheduled_tick(workspace, name, due).run_ids) == 1
    monkeypatch.setattr(later_rounds, "retrainings", lambda *_: [])
    scheduled_tick(workspace, name, due)
    assert runs(instance) == [(job, partition, QUEUED)]
