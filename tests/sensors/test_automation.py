"""Reports follow their inputs when the sensor is on."""

import dagster as dg
import pytest

from agentworld_dag.definitions import defs
from agentworld_dag.partitions import rounds
from agentworld_dag.rounds import FIRST_ROUND

INPUTS = ("real_env_evaluation", "simulator_evaluation")


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(rounds.name or "", [FIRST_ROUND])
        yield instance


def materialized(instance: dg.DagsterInstance, *assets: str) -> None:
    for asset in assets:
        event = dg.AssetMaterialization(asset, partition=FIRST_ROUND, metadata={"fingerprint": "0"})
        instance.report_runless_asset_event(event)


def checked(instance: dg.DagsterInstance, passed: bool) -> None:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("real_env_evaluation"),
        check_name="success_is_measured_in_the_real_shell",
        passed=passed,
        metadata={},
    )
    instance.report_runless_asset_event(evaluation)


def asked_for(result: dg.EvaluateAutomationConditionsResult, asset: str) -> bool:
    return result.get_num_requested(dg.AssetKey(asset)) > 0


def evaluate(instance: dg.DagsterInstance, cursor=None) -> dg.EvaluateAutomationConditionsResult:
    return dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=cursor)


def test_fires_once_when_all_inputs_are_there_and_one_is_new(instance):
    quiet = evaluate(instance)
    assert quiet.total_requested == 0
    materialized(instance, *INPUTS)
    checked(instance, passed=True)
    fired = evaluate(instance, quiet.cursor)
    assert asked_for(fired, "transfer_report")
    assert not asked_for(evaluate(instance, fired.cursor), "transfer_report")


def test_a_restarted_daemon_asks_no_second_time(instance):
    cursor = evaluate(instance).cursor
    materialized(instance, *INPUTS)
    checked(instance, passed=True)
    fired = evaluate(instance, cursor)
    assert asked_for(fired, "transfer_report")
    kept = dg.deserialize_value(dg.serialize_value(fired.cursor))
    assert not asked_for(evaluate(instance, kept), "transfer_report")


def test_does_not_fire_while_an_input_is_missing(instance):
    quiet = evaluate(instance)
    materialized(instance, INPUTS[0])
    assert not asked_for(evaluate(instance, quiet.cursor), "transfer_report")


def test_does_not_fire_on_an_input_whose_blocking_check_failed(instance):
    quiet = evaluate(instance)
    materialized(instance, *INPUTS)
    checked(instance, passed=False)
    assert not asked_for(evaluate(instance, quiet.cursor), "transfer_report")


def test_training_is_never_asked_for(instance):
    quiet = evaluate(instance)
    materialized(instance, "raw_trajectories", "clean_trajectories", "trajectory_splits", "base_model")
    assert evaluate(instance, quiet.cursor).total_requested == 0


def test_off_by_default():
    sensor = next(iter(defs.sensors or []))
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
