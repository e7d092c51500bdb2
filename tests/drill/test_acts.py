"""Acts of the drill on a record; the whole of it is rehearsed in tests/test_loop.py."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData

from agentworld_dag.drill.observing import Timeline
from agentworld_dag.drill.rehearsal import FINAL, Plan, Scene, appoint, once, quiet
from agentworld_dag.drill.services import Deployment
from agentworld_dag.errors import RunError
from agentworld_dag.home import Home
from agentworld_dag.monitoring.champion import AGENT, ASSET, WORLD_MODEL, Champion
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.tracking import connect
from tests import on_record
from tests.registered import copy_of, new_store

ROUND = "round-0002"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def champion(instance: dg.DagsterInstance) -> Champion:
    """Appointed long before the drill, with a probe; the agent too."""
    agent = on_record.promoted(instance, on_record.champion(model=AGENT))
    found = on_record.promoted(instance, on_record.champion())
    on_record.probed(instance, [found, agent])
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_store(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def registry(database: Path, tmp_path: Path) -> ModelRegistry:
    """Version 2 is the final checkpoint of ROUND."""
    found = copy_of(database, tmp_path)
    found.tag(WORLD_MODEL, 2, {ASSET: FINAL})
    return found


def scene_of(instance: dg.DagsterInstance, folder: Path, mlflow_url: str = "http://127.0.0.1:9") -> Scene:
    """The drill begins now, and waits for nothing."""
    plan = Plan(Home(folder), "tiny", "talkative", quiet_probes=1, deadline_s=0, kill_daemon=False)
    deployment = Deployment(Home(folder), mlflow_url, "http://127.0.0.1:9", {})
    return Scene(plan, Home(folder), deployment, instance, Timeline(lambda _: None))


def retrained(instance: dg.DagsterInstance, *assets: str) -> None:
    run_id = on_record.retrained(instance, round_name=ROUND)
    for asset in assets:
        made = dg.AssetMaterialization(asset, partition=ROUND)
        instance.report_dagster_event(
            dg.DagsterEvent(
                dg.DagsterEventType.ASSET_MATERIALIZATION.value,
                "train_world_model",
                event_specific_data=StepMaterializationData(made),
            ),
            run_id,
        )


def test_a_home_that_has_its_champions_goes_on_with_them(instance, champion, tmp_path):
    on_record.retrained(instance, hours_ago=13)
    assert appoint(scene_of(instance, tmp_path)).version == champion.version


def test_a_home_that_would_start_no_retraining_is_refused_at_once(instance, champion, tmp_path):
    on_record.retrained(instance, hours_ago=2)
    told = "would start no retraining in a copy of .*: the last retraining was asked for too lately, 10.0 h of 12 h"
    with pytest.raises(RunError, match=told):
        appoint(scene_of(instance, tmp_path))


def test_probes_and_retrainings_from_before_the_drill_are_not_seen(instance, champion, tmp_path):
    on_record.retrained(instance, hours_ago=2)
    scene = scene_of(instance, tmp_path)
    with pytest.raises(RunError, match="not seen within 0 s: 1 quiet probes"):
        quiet(scene, champion)
    on_record.probed(instance, [champion])
    quiet(scene, champion)
    on_record.retrained(instance)
    with pytest.raises(RunError, match="a retraining was started although nothing had changed"):
        quiet(scene, champion)


def test_what_happened_once_is_told(instance, registry, tmp_path):
    on_record.retrained(instance, hours_ago=2, round_name=ROUND)
    scene = scene_of(instance, tmp_path, registry.tracking_uri)
    retrained(instance, "world_model_sft", "world_model_rl")
    once(scene, on_record.champion(2))
    assert "2 assets of round-0002, each made once" in scene.timeline.last


def test_two_retrainings_are_one_too_many(instance, registry, tmp_path):
    scene = scene_of(instance, tmp_path, registry.tracking_uri)
    for _ in range(2):
        retrained(instance)
    with pytest.raises(RunError, match="expected one retraining, found 2"):
        once(scene, on_record.champion(2))


def test_a_stage_that_was_made_again_is_named(instance, registry, tmp_path):
    scene = scene_of(instance, tmp_path, registry.tracking_uri)
    retrained(instance, "world_model_sft", "world_model_rl", "world_model_sft")
    with pytest.raises(RunError, match=r"materialised once, not so: world_model_sft$"):
        once(scene, on_record.champion(2))


def test_a_second_version_of_the_final_checkpoint_is_one_too_many(instance, registry, tmp_path):
    scene = scene_of(instance, tmp_path, registry.tracking_uri)
    retrained(instance, "world_model_rl")
    again = {"agentworld/round": ROUND, ASSET: FINAL}
    connect(registry.tracking_uri).create_model_version(WORLD_MODEL, str(tmp_path), tags=again)
    with pytest.raises(RunError, match=r"expected one version of round-0002's world_model_rl, 2, found \[2, 5\]"):
        once(scene, on_record.champion(2))
