"""The sensor that takes a champion back, on what Dagster has on record."""

import dagster as dg
import pytest

from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL
from agentworld_dag.sensors.review import ATTEMPTS, CARRIED_OUT
from agentworld_dag.sensors.review import roll_back_on_regression as sensor
from tests import on_record
from tests.on_record import QUIET, WORSE
from tests.sensors.conftest import Tick, is_runnable

FAILED, RUNNING = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


@pytest.fixture
def in_use(instance: dg.DagsterInstance) -> dict[str, on_record.Champion]:
    """Second champions of both models, each with one before it."""
    for model in (WORLD_MODEL, AGENT):
        on_record.promoted(instance, on_record.champion(1, model))
    return {model: on_record.promoted(instance, on_record.champion(2, model)) for model in (WORLD_MODEL, AGENT)}


@pytest.mark.parametrize(
    ("model", "job", "asset"),
    [
        (WORLD_MODEL, "decide_on_world_model", "world_model_champion"),
        (AGENT, "decide_on_agent", "agent_champion"),
    ],
)
def test_a_champion_that_is_clearly_worse_is_taken_back_and_the_other_stays(
    tick: Tick,
    instance: dg.DagsterInstance,
    in_use: dict[str, on_record.Champion],
    model: str,
    job: str,
    asset: str,
) -> None:
    leads = {each: WORSE if each == model else QUIET for each in in_use}
    on_record.probed(instance, list(in_use.values()), leads=leads, name="p1")
    [request] = tick(sensor).run_requests or []
    assert request.job_name == job
    assert request.tags[CARRIED_OUT] == f"{model}-2-roll-back-{in_use[model].at:.0f}"
    assert request.run_key == f"{request.tags[CARRIED_OUT]}-0"
    config = request.run_config["ops"][asset]["config"]
    assert config["roll_back_from"] == 2
    assert "probe p1: ahead of the champion before it by -0.200; by chance alone" in config["why"]
    assert is_runnable(job, request.run_config)


def test_a_champion_that_is_not_clearly_worse_stays(
    tick: Tick, instance: dg.DagsterInstance, in_use: dict[str, on_record.Champion]
) -> None:
    on_record.probed(instance, list(in_use.values()), leads=dict.fromkeys(in_use, QUIET))
    found = tick(sensor)
    assert not found.run_requests
    assert "world-model-2: probe " in str(found.skip_message)
    assert "agent-policy-2: probe " in str(found.skip_message)


def test_without_a_champion_a_probe_or_one_before_it_nothing_is_taken_back(
    tick: Tick, instance: dg.DagsterInstance
) -> None:
    assert tick(sensor).skip_message == "no champion yet"
    on_record.promoted(instance, on_record.champion(1))
    assert tick(sensor).skip_message == "world-model-1: there is none before it to go back to"
    on_record.promoted(instance, on_record.champion(2))
    assert tick(sensor).skip_message == "world-model-2: no probe has compared it with the champion before it yet"


def test_a_probe_of_another_champion_takes_nobody_back(tick: Tick, instance: dg.DagsterInstance) -> None:
    on_record.promoted(instance, on_record.champion(2))
    before = on_record.champion(2)
    on_record.promoted(instance, on_record.champion(3))
    on_record.probed(instance, [before], leads={WORLD_MODEL: WORSE})
    assert not tick(sensor).run_requests


def test_after_the_roll_back_there_is_none_to_go_back_to(
    tick: Tick, instance: dg.DagsterInstance, in_use: dict[str, on_record.Champion]
) -> None:
    on_record.probed(instance, list(in_use.values()), leads={WORLD_MODEL: WORSE})
    back = on_record.promoted(instance, on_record.champion(1, decision="rolled_back", previous=None))
    on_record.probed(instance, [back], leads={WORLD_MODEL: WORSE})
    assert not tick(sensor).run_requests


@pytest.mark.parametrize("cursor", [None, "left by another version"])
def test_a_second_tick_asks_under_the_same_key_and_waits_for_the_run(
    tick: Tick, instance: dg.DagsterInstance, in_use: dict[str, on_record.Champion], cursor: str | None
) -> None:
    on_record.probed(instance, list(in_use.values()), leads={WORLD_MODEL: WORSE, AGENT: QUIET})
    [first], [again] = (tick(sensor, cursor=cursor).run_requests or [] for _ in range(2))
    assert again.run_key == first.run_key
    run_id = on_record.ran(instance, "decide_on_world_model", RUNNING, first.tags)
    found = tick(sensor)
    assert not found.run_requests
    assert f"waits for run {run_id}, which decides on world-model now" in str(found.skip_message)


def test_a_run_that_failed_is_followed_by_others_up_to_a_limit(
    tick: Tick, instance: dg.DagsterInstance, in_use: dict[str, on_record.Champion]
) -> None:
    on_record.probed(instance, list(in_use.values()), leads={WORLD_MODEL: WORSE, AGENT: QUIET})
    keys = set()
    for _ in range(ATTEMPTS):
        [request] = tick(sensor).run_requests or []
        keys.add(request.run_key)
        on_record.ran(instance, "decide_on_world_model", FAILED, request.tags, hours_ago=24)
    assert len(keys) == ATTEMPTS
    found = tick(sensor)
    assert not found.run_requests
    assert f"{ATTEMPTS} runs did not settle it, see " in str(found.skip_message)
    assert "run decide_on_world_model by hand" in str(found.skip_message)


def test_a_review_that_is_being_carried_out_is_waited_for(
    tick: Tick, instance: dg.DagsterInstance, in_use: dict[str, on_record.Champion]
) -> None:
    on_record.probed(instance, list(in_use.values()), leads=dict.fromkeys(in_use, WORSE))
    run_id = on_record.ran(instance, "decide_on_world_model", RUNNING, {CARRIED_OUT: "world-model-3-promote"})
    found = tick(sensor)
    assert [each.job_name for each in found.run_requests or []] == ["decide_on_agent"]
    on_record.ran(instance, "decide_on_agent", RUNNING, {})
    assert f"waits for run {run_id}, which decides on world-model now" in str(tick(sensor).skip_message)


@pytest.mark.parametrize(
    ("minutes_ago", "asked"), [([0.1], 0), ([1.5], 1), ([1.5, 3], 0), ([2.5, 4], 1), ([30, 60, 70, 75, 80, 81], 0)]
)
def test_runs_that_fail_while_mlflow_is_down_come_further_and_further_apart(
    tick: Tick,
    instance: dg.DagsterInstance,
    in_use: dict[str, on_record.Champion],
    minutes_ago: list[float],
    asked: int,
) -> None:
    on_record.probed(instance, list(in_use.values()), leads={WORLD_MODEL: WORSE, AGENT: QUIET})
    tags = {CARRIED_OUT: f"world-model-2-roll-back-{in_use[WORLD_MODEL].at:.0f}"}
    for minutes in sorted(minutes_ago, reverse=True):
        on_record.ran(instance, "decide_on_world_model", FAILED, tags, hours_ago=minutes / 60)
    found = tick(sensor)
    assert len(found.run_requests or []) == asked
    assert asked or f"{len(minutes_ago)} runs did not settle it" in str(found.skip_message)


def test_mlflow_is_never_asked_and_the_sensor_is_off_by_default() -> None:
    assert set(sensor.required_resource_keys) == {"preset"}
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
