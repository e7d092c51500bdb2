"""The sensor that watches probes, on what Dagster has on record."""

import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from agentworld_dag.resources.ending import Ending, Reason, failure
from agentworld_dag.resources.script import Script
from agentworld_dag.sensors import history
from agentworld_dag.sensors.history import RETRAINING_JOB, WHY
from agentworld_dag.sensors.retraining import retrain_on_fidelity_drop as sensor
from tests import on_record
from tests.preset_file import write_preset
from tests.sensors.conftest import Tick, is_runnable

FAILED, RUNNING = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
WITH_A_REASON = "STEP_FAILURE"
"""What Dagster notes on a run in which a step failed; a lost one has another reason, or none."""


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


@pytest.mark.parametrize(
    ("hours_ago", "gpu_s", "obstacle"),
    [
        ([5], 0, "7.0 h of 12 h are left"),
        ([13, 40, 80], 0, "the week's 3 retrainings are used up"),
        ([13, 40], 13 * 3600, "26.0 of the week's 24 GPU-hours are used up"),
    ],
)
def test_cool_down_and_the_week_s_budgets_hold_a_retraining(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, hours_ago: list[float], gpu_s: float, obstacle: str
) -> None:
    for hours in hours_ago:
        on_record.retrained(instance, hours, FAILED, gpu_s)
    found = told(tick(sensor))
    assert found.startswith(f"terminal: drop since probe {dropped}, but ")
    assert obstacle in found


def test_what_is_over_a_week_old_holds_nothing(tick: Tick, instance: dg.DagsterInstance, dropped: str) -> None:
    for days in range(8, 12):
        on_record.retrained(instance, 24 * days, FAILED, 99 * 3600)
    assert asked_for(tick(sensor)) == "round-0002"


def test_after_a_failure_and_the_cool_down_it_is_asked_again_for_the_same_round(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 13, FAILED)
    found = tick(sensor)
    assert asked_for(found) == "round-0002"
    assert [each.run_key for each in found.run_requests or []] == [f"world-model-1-{dropped}-1"]


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


def test_a_round_begun_from_another_champion_is_left_and_a_new_one_begun(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-9")
    assert asked_for(tick(sensor)) == "round-0003"


def test_a_finished_round_is_followed_by_the_next(tick: Tick, instance: dg.DagsterInstance, dropped: str) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.put_up(instance, "round-0002")
    assert asked_for(tick(sensor)) == "round-0003"


def test_a_champion_whose_round_is_not_on_record_is_followed_by_the_next_number(
    tick: Tick, instance: dg.DagsterInstance
) -> None:
    champion = on_record.promoted(instance, on_record.champion(5))
    on_record.probed(instance, [champion], on_record.DROPPED)
    assert asked_for(tick(sensor)) == "round-0006"


def test_a_candidate_nobody_decided_on_holds_the_next_retraining_until_it_is_rejected(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 99)
    on_record.put_up(instance, "round-0002")
    assert "but nobody has decided yet on the candidate that the last retraining brought" in told(tick(sensor))
    on_record.rejected(instance, 2)
    on_record.put_up(instance, "round-0002", under_review=False)
    on_record.probed(instance, [on_record.champion()], on_record.DROPPED)
    assert asked_for(tick(sensor)) == "round-0003"


def test_mlflow_is_never_asked(tick: Tick, dropped: str) -> None:
    assert set(sensor.required_resource_keys) == {"preset"}
    assert asked_for(tick(sensor)) == "round-0002"


def test_off_by_default() -> None:
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_a_round_planned_before_the_drop_is_left_and_a_new_one_begun(tick: Tick, instance: dg.DagsterInstance) -> None:
    champion = on_record.promoted(instance, on_record.champion())
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 13, FAILED)
    on_record.probed(instance, [champion], on_record.DROPPED)
    assert asked_for(tick(sensor)) == "round-0003"
    on_record.began(instance, "round-0002", "world-model-1")
    assert asked_for(tick(sensor)) == "round-0003", "a plan that is materialised again stays as old as it was"


@pytest.mark.parametrize("words", ["CollapseError: one answer to all", "check below_the_copy_baseline does not hold"])
def test_a_round_that_failed_with_a_reason_is_followed_by_another_one(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, words: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    run_id = on_record.retrained(instance, 13, FAILED, dagster__failure_reason=WITH_A_REASON)
    on_record.worked(instance, run_id, "simulator", 60, words)
    assert asked_for(tick(sensor)) == "round-0003"
    on_record.retrained(instance, 12.5, dg.DagsterRunStatus.CANCELED)
    assert asked_for(tick(sensor)) == "round-0002", "a person launched it again"


def lost(reason: Reason) -> str:
    script = Script("training.cpt", "round-0002", Path("/lake/world_model_cpt/round-0002/0"), {}, {}, 7, True)
    return str(failure(script, Ending(reason, "asked to stop")).description)


@pytest.mark.parametrize(
    "words",
    [
        *map(lost, [Reason.PREEMPTED, Reason.LOST, Reason.TIME_LIMIT]),
        "RegistryError: MLflow at http://127.0.0.1:5000 failed",
    ],
)
def test_a_round_whose_stage_says_that_it_can_go_on_goes_on(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, words: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    run_id = on_record.retrained(instance, 13, FAILED, dagster__failure_reason=WITH_A_REASON)
    on_record.worked(instance, run_id, "simulator", 60, words)
    assert asked_for(tick(sensor)) == "round-0002"


def test_after_a_rejection_only_probes_since_then_ask_for_another_retraining(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 99)
    on_record.put_up(instance, "round-0002")
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


@pytest.mark.parametrize("status", [RUNNING, dg.DagsterRunStatus.NOT_STARTED])
def test_a_turn_of_the_loop_under_way_holds_a_retraining_of_its_round(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, status: dg.DagsterRunStatus
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.turned(instance, status)
    assert "but a retraining is under way" in told(tick(sensor))


def test_turns_of_later_rounds_use_up_the_week_s_budgets(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.spent(instance, on_record.turned(instance, hours_ago=13), 25 * 3600)
    assert "25.0 of the week's 24 GPU-hours are used up" in told(tick(sensor))


def test_turns_of_the_first_round_are_no_retrainings(tick: Tick, instance: dg.DagsterInstance, dropped: str) -> None:
    on_record.turned(instance, RUNNING, "round-0001")
    on_record.spent(instance, on_record.turned(instance, FAILED, "round-0001"), 99 * 3600)
    assert asked_for(tick(sensor)) == "round-0002"


def test_a_candidate_that_a_turn_brought_holds_the_next_retraining(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.turned(instance, hours_ago=99)
    on_record.put_up(instance, "round-0002")
    assert "nobody has decided yet" in told(tick(sensor))


@pytest.mark.parametrize("decision", ["rolled_back", "moved"])
def test_a_candidate_stays_undecided_whatever_happens_to_others(
    tick: Tick, instance: dg.DagsterInstance, decision: str
) -> None:
    on_record.promoted(instance, on_record.champion(2))
    on_record.began(instance, "round-0003", "world-model-2")
    on_record.retrained(instance, 99, round_name="round-0003")
    on_record.put_up(instance, "round-0003")
    back = on_record.promoted(instance, on_record.champion(1, decision=decision, previous=None))
    on_record.probed(instance, [back], on_record.DROPPED)
    assert "nobody has decided yet" in told(tick(sensor))


@pytest.mark.parametrize("decision", ["promoted", "moved"])
def test_a_candidate_that_became_champion_is_decided(tick: Tick, instance: dg.DagsterInstance, decision: str) -> None:
    on_record.promoted(instance, on_record.champion(1))
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 99)
    on_record.put_up(instance, "round-0002")
    champion = on_record.promoted(instance, on_record.champion(2, decision=decision))
    on_record.probed(instance, [champion], on_record.DROPPED)
    assert asked_for(tick(sensor)) == "round-0003"


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


@pytest.mark.parametrize(("step", "held"), [("world_model_cpt", True), ("raw_trajectories", False)])
def test_what_a_failed_stage_held_its_gpus_for_counts(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, tmp_path: Path, step: str, held: bool
) -> None:
    preset = str(
        write_preset(tmp_path / "preset.yaml", compute={"stages": {"training.cpt": {"gpus": 2, "processes": 2}}})
    )
    run_id = on_record.retrained(instance, 20, FAILED)
    on_record.worked(instance, run_id, step, 13 * 3600)
    found = tick(sensor, preset=preset)
    if held:
        assert "26.0 of the week's 24 GPU-hours are used up" in told(found)
    else:
        assert asked_for(found) == "round-0002"


def test_an_attempt_that_was_cut_short_counts_with_the_one_that_ended(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, tmp_path: Path
) -> None:
    preset = str(write_preset(tmp_path / "preset.yaml", compute={"stages": {"training.cpt": {"gpus": 1}}}))
    on_record.worked(instance, on_record.retrained(instance, 20, FAILED, key="one"), "world_model_cpt", 20 * 3600)
    on_record.spent(instance, on_record.retrained(instance, 13, FAILED, key="one"), 23 * 3600, "world_model_cpt")
    assert asked_for(tick(sensor, preset=preset)) == "round-0002"
