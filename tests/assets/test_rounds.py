"""What rounds go on from."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.assets.rounds import round_plan
from agentworld_dag.monitoring.champion import WORLD_MODEL
from agentworld_dag.rounds import FIRST_ROUND
from agentworld_dag.trajectories.round_plan import read_plan
from tests.assets.conftest import Materialize, failure, metadata
from tests.assets.forged_round import artifact, record_champion

SECOND, THIRD = "round-0002", "round-0003"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def trained(materialize: Materialize, lake: Path, round_name: str) -> dict[str, Path]:
    """A round that was planned and has its artifacts."""
    planned = materialize([round_plan], partition=round_name)
    assert planned.success
    made = {name: artifact(lake, name, round_name) for name in ("trajectory_splits", "world_model_rl", "simulator")}
    return made | {"round_plan": Path(metadata(planned, "round_plan")["path"])}


def test_the_first_round_goes_on_from_nothing_whoever_is_champion(
    materialize: Materialize, instance: dg.DagsterInstance, lake: Path
) -> None:
    first = materialize([round_plan])
    assert metadata(first, "round_plan")["champion"] == "none"
    record_champion(instance, {})
    again = materialize([round_plan])
    assert metadata(again, "round_plan") == metadata(first, "round_plan")
    shutil.rmtree(lake)
    assert metadata(materialize([round_plan]), "round_plan") == metadata(first, "round_plan")


def test_a_later_round_without_a_champion_is_one_clear_error(materialize: Materialize) -> None:
    told = failure(materialize([round_plan], partition=SECOND))
    assert told.startswith("StoreError: round-0002 goes on from the champion, and there is none; approve a candidate")


def test_a_later_round_goes_on_from_the_champion_and_all_sessions_that_led_to_it(
    materialize: Materialize, instance: dg.DagsterInstance, lake: Path
) -> None:
    first = trained(materialize, lake, FIRST_ROUND)
    record_champion(instance, first)
    second = trained(materialize, lake, SECOND)
    plan = read_plan(second["round_plan"])
    assert plan.champion is not None
    assert plan.champion.version == "world-model-1"
    assert plan.champion.world_model.samefile(first["world_model_rl"])
    assert plan.champion.simulator.samefile(first["simulator"])

    record_champion(instance, second, version=2, round_name=SECOND, previous=1)
    third = materialize([round_plan], partition=THIRD)
    assert metadata(third, "round_plan")["earlier_rounds"] == 2
    splits = read_plan(Path(metadata(third, "round_plan")["path"])).splits
    assert [folder.resolve() for folder in splits] == [first["trajectory_splits"], second["trajectory_splits"]]


def test_a_plan_stays_what_it_was_after_a_promotion(
    materialize: Materialize, instance: dg.DagsterInstance, lake: Path
) -> None:
    first = trained(materialize, lake, FIRST_ROUND)
    record_champion(instance, first)
    before = metadata(materialize([round_plan], partition=SECOND), "round_plan")
    record_champion(instance, first, version=7)
    assert metadata(materialize([round_plan], partition=SECOND), "round_plan") == before
    third = metadata(materialize([round_plan], partition=THIRD), "round_plan")
    assert (before["champion"], third["champion"]) == ("world-model-1", "world-model-7")


@pytest.mark.parametrize("gone", ["trajectory_splits", "world_model_rl", "simulator", "round_plan"])
def test_an_artifact_of_the_champion_that_is_gone_is_named(
    materialize: Materialize, instance: dg.DagsterInstance, lake: Path, gone: str
) -> None:
    first = trained(materialize, lake, FIRST_ROUND)
    record_champion(instance, first)
    shutil.rmtree(first[gone])
    told = failure(materialize([round_plan], partition=SECOND))
    assert told.startswith("StoreError: ")
    assert first[gone].name in told


def test_a_champion_that_does_not_say_what_it_was_made_with_is_one_clear_error(
    materialize: Materialize, instance: dg.DagsterInstance
) -> None:
    record_champion(instance, {"simulator": Path("abc")}, WORLD_MODEL, version=4)
    told = failure(materialize([round_plan], partition=SECOND))
    assert told.startswith(
        "StoreError: world-model-4 has no tag agentworld/made/round_plan and no agentworld/made/traj"
    )
