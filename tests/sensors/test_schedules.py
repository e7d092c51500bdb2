"""The nightly probe and the weekly retraining, and when they and the sensors are due."""

import dagster as dg
import pytest

from agentworld_dag.definitions import defs
from agentworld_dag.errors import ConfigError
from agentworld_dag.partitions import rounds
from agentworld_dag.sensors import every
from agentworld_dag.sensors.probing import probe_nightly
from agentworld_dag.sensors.retraining import retrain_weekly
from tests import on_record
from tests.sensors.conftest import SUNDAY, ScheduledTick, is_runnable

FAILED, RUNNING = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


@pytest.fixture
def champion(instance: dg.DagsterInstance) -> None:
    on_record.promoted(instance, on_record.champion())
    on_record.began(instance, "round-0001", "none")


def test_every_night_there_is_one_probe_with_the_champion_s_seed(scheduled_tick: ScheduledTick, champion: None) -> None:
    [first], [again] = (scheduled_tick(probe_nightly).run_requests or [] for _ in range(2))
    assert first.run_key == again.run_key == "probe-2026-11-22T02:00"
    assert first.run_config["resources"]["preset"]["config"] == {"name": "tiny", "seed": 7}
    assert is_runnable("probe_real_environment", first.run_config)


@pytest.mark.parametrize("schedule", [probe_nightly, retrain_weekly])
def test_without_a_champion_a_schedule_says_so(scheduled_tick: ScheduledTick, schedule: dg.ScheduleDefinition) -> None:
    found = scheduled_tick(schedule)
    assert (found.run_requests, found.skip_message) == ([], "no champion yet: approve a candidate in MLflow")


@pytest.mark.parametrize("schedule", [probe_nightly, retrain_weekly])
def test_a_schedule_asks_mlflow_nothing(schedule: dg.ScheduleDefinition) -> None:
    assert set(schedule.required_resource_keys) == {"preset"}


def test_every_week_the_next_round_is_trained_once(
    scheduled_tick: ScheduledTick, instance: dg.DagsterInstance, champion: None
) -> None:
    [first], [again] = (scheduled_tick(retrain_weekly).run_requests or [] for _ in range(2))
    assert (first.run_key, first.partition_key) == ("weekly-2026-11-22T02:00", "round-0002")
    assert (again.run_key, again.partition_key) == (first.run_key, first.partition_key)
    assert list(instance.get_dynamic_partitions(str(rounds.name))) == ["round-0001", "round-0002"]
    assert is_runnable("train_world_model", first.run_config)


def test_another_week_has_another_key(scheduled_tick: ScheduledTick, champion: None) -> None:
    [found] = scheduled_tick(retrain_weekly, SUNDAY.replace(day=29)).run_requests or []
    assert found.run_key == "weekly-2026-11-29T02:00"


def test_every_week_goes_on_with_a_round_that_was_left_half_finished(
    scheduled_tick: ScheduledTick, instance: dg.DagsterInstance, champion: None
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 24 * 7, FAILED)
    [found] = scheduled_tick(retrain_weekly).run_requests or []
    assert found.partition_key == "round-0002"


def test_a_weekly_round_planned_before_a_drop_is_left(
    scheduled_tick: ScheduledTick, instance: dg.DagsterInstance, champion: None
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 24 * 7, FAILED)
    on_record.probed(instance, [on_record.champion()], on_record.DROPPED)
    [found] = scheduled_tick(retrain_weekly).run_requests or []
    assert found.partition_key == "round-0003"


def test_the_week_s_retrainings_hold_the_schedule(
    scheduled_tick: ScheduledTick, instance: dg.DagsterInstance, champion: None
) -> None:
    for hours in (20, 60, 100):
        assert scheduled_tick(retrain_weekly).run_requests
        on_record.retrained(instance, hours, FAILED)
    assert scheduled_tick(retrain_weekly).skip_message == "the week's 3 retrainings are used up"


@pytest.mark.parametrize("job", ["probe_real_environment", "train_world_model"])
def test_no_probe_starts_while_one_or_a_retraining_runs(
    scheduled_tick: ScheduledTick, instance: dg.DagsterInstance, champion: None, job: str
) -> None:
    run_id = on_record.ran(instance, job, RUNNING, {})
    found = scheduled_tick(probe_nightly)
    assert not found.run_requests
    assert found.skip_message == f"{job} is under way, run {run_id}"


def test_a_half_finished_round_holds_no_probe(
    scheduled_tick: ScheduledTick, instance: dg.DagsterInstance, champion: None
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 1, FAILED)
    assert scheduled_tick(probe_nightly).run_requests


@pytest.mark.parametrize(
    ("hours_ago", "status", "gpu_s", "obstacle"),
    [
        (1, RUNNING, 0, "a retraining is under way"),
        (2, FAILED, 0, "10.0 h of 12 h are left"),
        (20, FAILED, 25 * 3600, "25.0 of the week's 24 GPU-hours are used up"),
    ],
)
def test_what_holds_the_sensor_holds_the_schedule(
    scheduled_tick: ScheduledTick,
    instance: dg.DagsterInstance,
    champion: None,
    hours_ago: float,
    status: dg.DagsterRunStatus,
    gpu_s: float,
    obstacle: str,
) -> None:
    on_record.retrained(instance, hours_ago, status, gpu_s)
    found = scheduled_tick(retrain_weekly)
    assert not found.run_requests
    assert obstacle in str(found.skip_message)
    assert list(instance.get_dynamic_partitions(str(rounds.name))) == ["round-0001"]


def test_off_by_default_and_due_nightly_and_on_sundays() -> None:
    due = {schedule.name: schedule for schedule in (probe_nightly, retrain_weekly)}
    assert {name: schedule.cron_schedule for name, schedule in due.items()} == {
        "probe_nightly": "0 1 * * *",
        "retrain_weekly": "0 2 * * 0",
    }
    assert {schedule.default_status for schedule in due.values()} == {dg.DefaultScheduleStatus.STOPPED}
    assert set(due) == {schedule.name for schedule in defs.schedules or []}


def test_times_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_PROBE_CRON", "30 3 * * 1-5")
    monkeypatch.setenv("AGENTWORLD_SENSOR_EVERY_S", "5")
    assert every.cron("AGENTWORLD_PROBE_CRON", "0 1 * * *") == "30 3 * * 1-5"
    assert every.seconds("AGENTWORLD_SENSOR_EVERY_S", 30) == 5
    monkeypatch.setenv("AGENTWORLD_PROBE_CRON", "")
    assert every.cron("AGENTWORLD_PROBE_CRON", "0 1 * * *") == "0 1 * * *"


@pytest.mark.parametrize("text", ["nightly", "61 1 * * *", "* * * * * *"])
def test_a_cron_line_dagster_cannot_read_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("AGENTWORLD_PROBE_CRON", text)
    with pytest.raises(ConfigError, match=r"AGENTWORLD_PROBE_CRON=.*: expected a cron line of five fields"):
        every.cron("AGENTWORLD_PROBE_CRON", "0 1 * * *")


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1.5"])
def test_a_period_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("AGENTWORLD_SENSOR_EVERY_S", text)
    with pytest.raises(ConfigError, match="expected a whole number of seconds, 1 or more"):
        every.seconds("AGENTWORLD_SENSOR_EVERY_S", 30)
