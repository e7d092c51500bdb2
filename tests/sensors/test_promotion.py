"""The sensor that reads reviews, on a real MLflow store."""

import socket
import time
from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.sensors.history import WHY
from agentworld_dag.sensors.review import ATTEMPTS
from agentworld_dag.sensors.review import promote_on_review as sensor
from tests import on_record
from tests.preset_file import write_preset
from tests.registered import FOREIGN
from tests.sensors.conftest import DOWN, Tick, is_runnable

DONE, FAILED, RUNNING = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
APPROVED, REJECTED = {"review": "approved"}, {"review": "rejected"}
JOBS = {WORLD_MODEL: "decide_on_world_model", AGENT: "decide_on_agent"}


@pytest.fixture
def champion(instance: dg.DagsterInstance, registry: ModelRegistry) -> on_record.Champion:
    """Version 1 of the world model is in use; it was moved there, so nobody asks for practice in it."""
    registry.give_alias(WORLD_MODEL, "champion", 1)
    return on_record.promoted(instance, on_record.champion(1, decision="moved"))


def put_up(registry: ModelRegistry, number: int, tags: dict[str, str], model: str = WORLD_MODEL) -> None:
    registry.give_alias(model, "candidate", number)
    registry.tag(model, number, tags)


@pytest.mark.parametrize("model", [WORLD_MODEL, AGENT])
@pytest.mark.parametrize(("tags", "action"), [(APPROVED, "promote"), (REJECTED, "reject")])
def test_a_decision_starts_the_run_that_carries_it_out(
    tick: Tick, registry: ModelRegistry, model: str, tags: dict[str, str], action: str
) -> None:
    put_up(registry, 1, tags | {"review_by": "ada", "review_comment": "because"}, model)
    [request] = tick(sensor, registry).run_requests or []
    assert request.job_name == JOBS[model]
    assert request.run_key == f"{model}-1-{action}-after-0-0"
    assert request.tags[WHY] == f"version 1 is {tags['review']} by ada: because"
    assert is_runnable(JOBS[model], request.run_config)


def test_both_models_are_decided_on_in_one_tick(tick: Tick, registry: ModelRegistry) -> None:
    put_up(registry, 1, APPROVED, WORLD_MODEL)
    put_up(registry, 2, REJECTED, AGENT)
    found = tick(sensor, registry)
    assert [each.job_name for each in found.run_requests or []] == list(JOBS.values())


def test_without_the_tag_nothing_is_promoted(tick: Tick, registry: ModelRegistry, champion: on_record.Champion) -> None:
    put_up(registry, 2, {})
    found = tick(sensor, registry)
    assert not found.run_requests
    assert "world-model: version 2 waits for a person to set its tag review" in str(found.skip_message)
    assert "agent-policy: no candidate is under review" in str(found.skip_message)


@pytest.mark.parametrize(("checks", "asked"), [("passed", 1), ("failed: a_check", 0), ("not evaluated in this run", 0)])
def test_the_preset_promotes_by_itself_only_what_passed_every_blocking_check(
    tick: Tick, registry: ModelRegistry, tmp_path: Path, checks: str, asked: int
) -> None:
    preset = str(write_preset(tmp_path / "preset.yaml", review={"auto_promote": True}))
    put_up(registry, 1, {"agentworld/blocking_checks": checks})
    assert len(tick(sensor, registry, preset=preset).run_requests or []) == asked
    assert not tick(sensor, registry).run_requests


@pytest.mark.parametrize("number", [3, FOREIGN])
def test_a_tag_on_the_wrong_version_is_named_and_does_nothing(
    tick: Tick, registry: ModelRegistry, champion: on_record.Champion, number: int
) -> None:
    put_up(registry, 2, {})
    registry.tag(WORLD_MODEL, number, APPROVED)
    found = tick(sensor, registry)
    assert not found.run_requests
    assert f"version {number} is tagged approved but is not under review" in str(found.skip_message)


def test_a_tag_flipped_twice_before_a_tick_counts_as_it_stands(
    tick: Tick, registry: ModelRegistry, champion: on_record.Champion
) -> None:
    for tags in (APPROVED, REJECTED, APPROVED):
        put_up(registry, 2, tags)
    [request] = tick(sensor, registry).run_requests or []
    assert request.run_key == f"world-model-2-promote-after-{champion.at:.0f}-0"


def test_a_tag_flipped_while_a_run_decides_waits_for_that_run(
    tick: Tick, instance: dg.DagsterInstance, registry: ModelRegistry, champion: on_record.Champion
) -> None:
    put_up(registry, 2, APPROVED)
    [request] = tick(sensor, registry).run_requests or []
    run_id = on_record.ran(instance, "decide_on_world_model", RUNNING, request.tags)
    registry.tag(WORLD_MODEL, 2, REJECTED)
    found = tick(sensor, registry)
    assert not found.run_requests
    expected = f"version 2 is rejected by someone who did not sign; waits for run {run_id}, which decides on"
    assert expected in str(found.skip_message)


@pytest.mark.parametrize("cursor", [None, "left by another version"])
def test_a_second_tick_asks_under_the_same_key(
    tick: Tick, registry: ModelRegistry, champion: on_record.Champion, cursor: str | None
) -> None:
    put_up(registry, 2, APPROVED)
    keys = {each.run_key for _ in range(2) for each in tick(sensor, registry, cursor=cursor).run_requests or []}
    assert keys == {f"world-model-2-promote-after-{champion.at:.0f}-0"}


def test_runs_that_fail_are_followed_by_others_up_to_a_limit(
    tick: Tick, instance: dg.DagsterInstance, registry: ModelRegistry, champion: on_record.Champion
) -> None:
    put_up(registry, 2, APPROVED)
    keys = set()
    for _ in range(ATTEMPTS):
        [request] = tick(sensor, registry).run_requests or []
        keys.add(request.run_key)
        on_record.ran(instance, "decide_on_world_model", FAILED, request.tags, hours_ago=24)
    assert len(keys) == ATTEMPTS
    found = tick(sensor, registry)
    assert not found.run_requests
    assert f"{ATTEMPTS} runs did not settle it, see " in str(found.skip_message)
    assert "run decide_on_world_model by hand" in str(found.skip_message)


def test_an_alias_moved_by_hand_is_recorded(tick: Tick, registry: ModelRegistry, champion: on_record.Champion) -> None:
    registry.give_alias(WORLD_MODEL, "champion", 3)
    [request] = tick(sensor, registry).run_requests or []
    assert request.tags[WHY] == "the alias names version 3, recorded is 1"


def test_an_alias_taken_away_by_hand_is_named(
    tick: Tick, registry: ModelRegistry, champion: on_record.Champion
) -> None:
    registry.take_alias(WORLD_MODEL, "champion")
    found = tick(sensor, registry)
    assert not found.run_requests
    assert "no version has the alias champion, give it back: recorded is 1" in str(found.skip_message)


def test_while_mlflow_is_down_nothing_is_decided_and_the_tick_says_so(
    tick: Tick, registry: ModelRegistry, champion: on_record.Champion
) -> None:
    put_up(registry, 2, APPROVED)
    found = tick(sensor, ModelRegistry(tracking_uri=DOWN))
    assert not found.run_requests
    assert f"world-model and agent-policy: nothing decided, MLflow at {DOWN} failed" in str(found.skip_message)
    assert len(tick(sensor, registry).run_requests or []) == 1


def test_a_server_that_never_answers_costs_one_request_of_two_attempts(
    tick: Tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        began_at = time.monotonic()
        found = tick(sensor, ModelRegistry(tracking_uri=f"http://127.0.0.1:{hanging.getsockname()[1]}"))
        waited_s = time.monotonic() - began_at
    assert "world-model and agent-policy: nothing decided, MLflow at " in str(found.skip_message)
    assert 2 <= waited_s < 12, "two attempts of a second, what lies between them, and a busy machine"


def test_both_models_wait_for_their_own_runs(tick: Tick, instance: dg.DagsterInstance, registry: ModelRegistry) -> None:
    put_up(registry, 1, APPROVED, WORLD_MODEL)
    put_up(registry, 2, APPROVED, AGENT)
    run_id = on_record.ran(instance, JOBS[AGENT], RUNNING, {})
    found = tick(sensor, registry)
    assert [each.job_name for each in found.run_requests or []] == [JOBS[WORLD_MODEL]]
    on_record.ran(instance, JOBS[WORLD_MODEL], dg.DagsterRunStatus.NOT_STARTED, {})
    found = tick(sensor, registry)
    assert not found.run_requests
    assert f"waits for run {run_id}, which decides on agent-policy now" in str(found.skip_message)


def test_a_promoted_simulator_is_practised_in_once_even_while_mlflow_is_down(
    tick: Tick, instance: dg.DagsterInstance
) -> None:
    champion = on_record.promoted(instance, on_record.champion(2))
    [request] = tick(sensor).run_requests or []
    assert (request.job_name, request.partition_key) == ("train_agent", "round-0002")
    assert request.run_key == f"practice-world-model-2-{champion.at:.0f}"
    assert request.run_config["resources"]["preset"]["config"]["seed"] == 7
    assert is_runnable("train_agent", request.run_config)
    run_id = on_record.ran(
        instance, "train_agent", DONE, dict(request.tags) | {"dagster/run_key": str(request.run_key)}
    )
    found = tick(sensor)
    assert not found.run_requests
    assert f"practice in world-model-2 was started as run {run_id}, SUCCESS" in str(found.skip_message)


@pytest.mark.parametrize("decision", ["moved", "rolled_back"])
def test_nobody_practises_in_a_simulator_that_was_not_promoted(
    tick: Tick, instance: dg.DagsterInstance, decision: str
) -> None:
    on_record.promoted(instance, on_record.champion(2, decision=decision))
    found = tick(sensor)
    assert not found.run_requests
    assert "no new simulator to practise in" in str(found.skip_message)


def test_a_round_that_is_unknown_here_is_named_and_stops_no_decision(
    tick: Tick, instance: dg.DagsterInstance, registry: ModelRegistry
) -> None:
    on_record.promoted(instance, on_record.champion(1))
    instance.delete_dynamic_partition("rounds", "round-0001")
    registry.give_alias(WORLD_MODEL, "champion", 1)
    assert "its round-0001 is unknown here" in str(tick(sensor, registry).skip_message)
    put_up(registry, 2, APPROVED)
    assert [each.job_name for each in tick(sensor, registry).run_requests or []] == ["decide_on_world_model"]


def test_off_by_default() -> None:
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
