"""Which round a retraining trains, and which rounds hold it, on what Dagster has on record."""

from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.resources.ending import Ending, Reason, failure
from agentworld_dag.resources.script import Script
from agentworld_dag.sensors.retraining import retrain_on_fidelity_drop as sensor
from tests import on_record
from tests.sensors.conftest import Tick, asked_for, told

FAILED, RUNNING = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
WITH_A_REASON = "STEP_FAILURE"
"""What Dagster notes on a run in which a step failed; a lost one has another reason, or none."""


def failed(instance: dg.DagsterInstance, words: str) -> None:
    """A round was begun after the alarm, and a step of it said this when it failed."""
    on_record.began(instance, "round-0002", "world-model-1")
    run_id = on_record.retrained(instance, 13, FAILED, dagster__failure_reason=WITH_A_REASON)
    on_record.worked(instance, run_id, "simulator", 60, words)


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


def test_after_a_failure_and_the_cool_down_it_is_asked_again_for_the_same_round(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.retrained(instance, 13, FAILED)
    found = tick(sensor)
    assert asked_for(found) == "round-0002"
    assert [each.run_key for each in found.run_requests or []] == [f"world-model-1-{dropped}-1"]


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
    failed(instance, words)
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
    failed(instance, words)
    assert asked_for(tick(sensor)) == "round-0002"


@pytest.mark.parametrize("status", [RUNNING, dg.DagsterRunStatus.NOT_STARTED])
def test_a_turn_of_the_loop_under_way_holds_a_retraining_of_its_round(
    tick: Tick, instance: dg.DagsterInstance, dropped: str, status: dg.DagsterRunStatus
) -> None:
    on_record.began(instance, "round-0002", "world-model-1")
    on_record.turned(instance, status)
    assert "but a retraining is under way" in told(tick(sensor))


def test_turns_of_the_first_round_are_no_retrainings(tick: Tick, instance: dg.DagsterInstance, dropped: str) -> None:
    on_record.turned(instance, RUNNING, "round-0001")
    on_record.spent(instance, on_record.turned(instance, FAILED, "round-0001"), 99 * 3600)
    assert asked_for(tick(sensor)) == "round-0002"


def test_a_candidate_nobody_decided_on_holds_the_next_retraining_until_it_is_rejected(
    tick: Tick, instance: dg.DagsterInstance, dropped: str
) -> None:
    on_record.brought(instance)
    assert "but nobody has decided yet on the candidate that the last retraining brought" in told(tick(sensor))
    on_record.rejected(instance, 2)
    on_record.put_up(instance, "round-0002", under_review=False)
    on_record.probed(instance, [on_record.champion()], on_record.DROPPED)
    assert asked_for(tick(sensor)) == "round-0003"


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
    on_record.brought(instance, "round-0003", "world-model-2")
    back = on_record.promoted(instance, on_record.champion(1, decision=decision, previous=None))
    on_record.probed(instance, [back], on_record.DROPPED)
    assert "nobody has decided yet" in told(tick(sensor))


@pytest.mark.parametrize("decision", ["promoted", "moved"])
def test_a_candidate_that_became_champion_is_decided(tick: Tick, instance: dg.DagsterInstance, decision: str) -> None:
    on_record.promoted(instance, on_record.champion(1))
    on_record.brought(instance)
    champion = on_record.promoted(instance, on_record.champion(2, decision=decision))
    on_record.probed(instance, [champion], on_record.DROPPED)
    assert asked_for(tick(sensor)) == "round-0003"
