"""The sensor that watches probes, on what Dagster has on record."""

import time

import dagster as dg
import pytest

from agentworld_dag.sensors import history
from agentworld_dag.sensors.history import RETRAINING_JOB, WHY
from agentworld_dag.sensors.retraining import retrain_on_fidelity_drop as sensor
from tests import on_record
from tests.sensors.conftest import Tick, asked_for, is_runnable, told

FAILED, RUNNING = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


def test_a_drop_asks_for_the_next_round(tick: Tick, dropped: str) -> None:
    found = tick(sensor)
    [request] = found.run_requests or []
    assert request.partition_key == "round-0002"
    assert [added.partition_keys for added in found.dynamic_partitions_requests or []] == [["round-0002"]]
    assert request.run_key == f"world-model-1-{dropped}-0"
    assert f"drop since probe {dropped}: probe {dropped} is exact in 0.600" in request.tags[WHY]
    assert request.run_config["resources"]["preset"]["config"] == {"name": "tiny", "seed": 7}
    assert is_runnable("train_world_model", request.run_config)


def test_without_a_champion_nothing_is_asked_for(tick: Tick) -> None:
    assert told(tick(sensor)) == "no champion yet: approve a candidate in MLflow"


def test_a_champion_that_was_never_measured_is_named(tick: Tick, instance: dg.DagsterInstance) -> None:
    on_record.promoted(instance, on_record.champion(reference={}))
    assert told(tick(sensor)) == "world-model-1 has no reference in any domain; probes tell nothing about it"


def test_quiet_probes_ask_for_nothing(tick: Tick, instance: dg.DagsterInstance) -> None:
    champion = on_record.promoted(instance, on_record.champion())
    assert told(tick(sensor)) == "terminal: no drop: no probe of world-model-1 yet; no probe for 0.0 days"
    last = [on_record.probed(instance, [champion]) for _ in range(3)][-1]
    assert told(tick(sensor)).startswith(f"terminal: no drop: probe {last} is exact in 0.950 of 300")


def test_a_tick_says_how_long_no_probe_has_come_and_how_many_failed(tick: Tick, instance: dg.DagsterInstance) -> None:
    three_days_ago = time.time() - 3.2 * 24 * 3600
    champion = on_record.promoted(instance, on_record.champion(at=three_days_ago))
    assert told(tick(sensor)).endswith("; no probe for 3.2 days")
    on_record.ran(instance, "probe_real_environment", FAILED, {}, hours_ago=99)
    for hours in (50, 26, 2):
        on_record.ran(instance, "probe_real_environment", FAILED, {}, hours_ago=hours)
    assert told(tick(sensor)).endswith("; no probe for 3.2 days; the last 3 runs of probe_real_environment failed")
    on_record.probed(instance, [champion])
    assert told(tick(sensor)).endswith("; no probe for 0.0 days")


def test_an_alarm_keeps_its_name_however_many_probes_follow(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    for _ in range(4):
        on_record.probed(instance, [on_record.champion()], on_record.DROPPED)
    [found] = tick(sensor).run_requests or []
    assert found.run_key == f"world-model-1-{dropped}-0"


def test_a_small_probe_does_not_count_and_is_named(tick: Tick, instance: dg.DagsterInstance) -> None:
    champion = on_record.promoted(instance, on_record.champion())
    on_record.probed(instance, [champion], on_record.DROPPED[:99])
    assert "1 with fewer than 100 episodes left out" in told(tick(sensor))


def test_a_probe_that_ends_after_a_promotion_counts_for_whom_it_asked(tick: Tick, instance: dg.DagsterInstance) -> None:
    before = on_record.promoted(instance, on_record.champion(1))
    on_record.promoted(instance, on_record.champion(2))
    on_record.probed(instance, [before], on_record.DROPPED)
    assert told(tick(sensor)) == "terminal: no drop: no probe of world-model-2 yet; no probe for 0.0 days"


def test_probes_from_before_a_roll_back_do_not_count(tick: Tick, instance: dg.DagsterInstance) -> None:
    before = on_record.promoted(instance, on_record.champion(1))
    on_record.probed(instance, [before], on_record.DROPPED)
    on_record.promoted(instance, on_record.champion(2))
    on_record.promoted(instance, on_record.champion(1, decision="rolled_back", previous=None))
    assert told(tick(sensor)) == "terminal: no drop: no probe of world-model-1 yet; no probe for 0.0 days"


def test_after_a_rejection_only_probes_since_then_ask_for_another_retraining(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.brought(instance)
    on_record.rejected(instance, 2)
    said = told(tick(sensor))
    assert said.startswith("terminal: no drop: no probe of world-model-1 yet")
    assert "only probes since the rejection of version 2 count" in said
    champion = on_record.champion()
    on_record.probed(instance, [champion], on_record.DROPPED, name=dropped)
    assert told(tick(sensor)).startswith("terminal: no drop"), "a probe that comes twice counts the first time"
    again = on_record.probed(instance, [champion], on_record.DROPPED)
    found = tick(sensor)
    assert asked_for(found) == "round-0003"
    assert [each.run_key for each in found.run_requests or []] == [f"world-model-1-{again}-1"]


@pytest.mark.parametrize("cursor", [None, "", "left by another version"])
def test_a_restart_asks_under_the_same_key_whatever_the_cursor(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, cursor: str | None
) -> None:
    first = tick(sensor).run_requests or []
    champion = on_record.champion()
    on_record.probed(instance, [champion], on_record.DROPPED, name=dropped)
    again = tick(sensor, cursor=cursor).run_requests or []
    assert [each.run_key for each in again] == [each.run_key for each in first] != []
    assert again[0].partition_key == first[0].partition_key


def test_a_second_tick_starts_nothing_while_the_first_one_s_run_goes_on(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    [first] = tick(sensor).run_requests or []
    on_record.ran(instance, RETRAINING_JOB, dg.DagsterRunStatus.NOT_STARTED, first.tags)
    assert "but a retraining is under way" in told(tick(sensor))


def test_a_run_that_has_the_key_already_is_named_and_nothing_starts(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    key = f"world-model-1-{dropped}-0"
    run_id = on_record.retrained(instance, 99, FAILED, of_champion="world-model-0", dagster__run_key=key)
    assert f"nothing starts: run {run_id} was started for {key}, FAILURE" in told(tick(sensor))


def test_a_failed_run_that_dagster_will_try_again_goes_on(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    run_id = on_record.retrained(instance, 13, FAILED, dagster__will_retry="true")
    assert "a retraining is under way" in told(tick(sensor))
    instance.add_run_tags(run_id, {"dagster/will_retry": "false"})
    assert asked_for(tick(sensor)) == "round-0002"


def test_the_attempts_of_a_run_are_one_retraining(tick: Tick, instance: dg.DagsterInstance, dropped: str) -> None:
    for hours in (13, 13.5, 14):
        on_record.retrained(instance, hours, FAILED, key="one")
    found = tick(sensor)
    assert [each.run_key for each in found.run_requests or []] == [f"world-model-1-{dropped}-1"]
    on_record.retrained(instance, 1, RUNNING, key="one")
    assert "a retraining is under way" in told(tick(sensor))


def test_mlflow_is_never_asked(tick: Tick, dropped: str) -> None:
    assert set(sensor.required_resource_keys) == {"preset"}
    assert asked_for(tick(sensor)) == "round-0002"


def test_off_by_default() -> None:
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
