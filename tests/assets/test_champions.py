"""Decisions carried out on a real MLflow store: the alias, the record and the review agree in the end."""

from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.assets.champions import current, recorded
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL, reference_of
from agentworld_dag.resources.registry import ModelRegistry
from tests.assets.conftest import Decide, failure
from tests.registered import FOREIGN, SCORES, holders

APPROVED, REJECTED = {"review": "approved"}, {"review": "rejected"}


def put_up(registry: ModelRegistry, number: int, tags: dict[str, str], model: str = WORLD_MODEL) -> None:
    registry.give_alias(model, "candidate", number)
    registry.tag(model, number, tags)


def decision_on(registry: ModelRegistry, number: int) -> str | None:
    return {each.number: each.tags.get("agentworld/decision") for each in registry.versions(WORLD_MODEL)}[number]


def test_an_approved_candidate_becomes_champion_and_its_record_tells_all(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, APPROVED | {"review_by": "ada", "review_comment": "better at rm"})
    result = decide()
    assert result.success
    champion = current(instance, WORLD_MODEL)
    assert champion
    assert (champion.version, champion.round, champion.seed, champion.previous) == (1, "round-0001", 7, None)
    assert (champion.decision, champion.why, champion.who) == ("promoted", "better at rm", "ada")
    assert champion.made["simulator"] == "s1"
    mean, low = reference_of({"terminal": SCORES[1]})["terminal"]
    assert list(champion.reference["terminal"]) == [mean, low]
    shown = result.asset_materializations_for_node("world_model_champion")[0].metadata
    assert shown["reference/terminal"].value == mean
    assert holders(registry, WORLD_MODEL) == {"champion": 1}
    assert decision_on(registry, 1) == "promoted"


def test_a_rejected_candidate_leaves_the_champion_and_is_recorded(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, APPROVED)
    decide()
    before = current(instance, WORLD_MODEL)
    put_up(registry, 2, REJECTED | {"review_comment": "worse"})
    assert decide().success
    assert current(instance, WORLD_MODEL) == before
    assert holders(registry, WORLD_MODEL) == {"champion": 1}
    assert decision_on(registry, 2) == "rejected"
    [told] = instance.fetch_observations(dg.AssetKey("world_model_champion"), limit=9).records
    assert told.asset_observation
    assert told.asset_observation.metadata["version"].value == 2


def test_doing_it_again_changes_nothing(instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide) -> None:
    put_up(registry, 1, APPROVED)
    first = decide()
    again = decide()
    assert first.asset_materializations_for_node("world_model_champion")
    assert not again.asset_materializations_for_node("world_model_champion")
    assert holders(registry, WORLD_MODEL) == {"champion": 1}


def test_a_tag_flipped_after_the_decision_changes_nothing(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, APPROVED)
    decide()
    put_up(registry, 2, REJECTED)
    decide()
    for tags in (APPROVED, REJECTED, APPROVED):
        registry.tag(WORLD_MODEL, 2, tags)
        assert decide().success
        assert holders(registry, WORLD_MODEL) == {"champion": 1}
    put_up(registry, 2, APPROVED)
    decide()
    assert holders(registry, WORLD_MODEL) == {"champion": 2}


def test_a_tag_on_a_version_that_is_not_under_review_does_nothing(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, {})
    registry.tag(WORLD_MODEL, 2, APPROVED)
    assert decide().success
    assert current(instance, WORLD_MODEL) is None
    assert holders(registry, WORLD_MODEL) == {"candidate": 1}


def test_an_alias_moved_by_hand_is_recorded_as_that(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, APPROVED)
    decide()
    registry.give_alias(WORLD_MODEL, "champion", 3)
    assert decide().success
    champion = current(instance, WORLD_MODEL)
    assert champion
    assert (champion.version, champion.decision, champion.who) == (3, "moved", "whoever moved the alias")
    assert champion.previous is None, "what a person moved, the graph does not move back"
    assert decision_on(registry, 3) is None


def test_an_alias_moved_by_hand_to_a_rejected_candidate_is_no_promotion(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, REJECTED)
    registry.give_alias(WORLD_MODEL, "champion", 1)
    assert decide().success
    champion = current(instance, WORLD_MODEL)
    assert champion
    assert (champion.version, champion.decision) == (1, "moved")
    assert decide().success
    assert holders(registry, WORLD_MODEL) == {"champion": 1}


def misplace(registry: ModelRegistry, number: int, alias: str = "champion") -> None:
    """The alias on a stage that is registered on the way to a candidate."""
    registry.tag(WORLD_MODEL, number, {"dagster/asset_key": "world_model_sft"} | APPROVED)
    registry.give_alias(WORLD_MODEL, alias, number)


@pytest.mark.parametrize("alias", ["champion", "candidate"])
def test_an_alias_moved_by_hand_to_an_early_stage_is_recorded_nowhere_and_the_run_says_where_it_belongs(
    instance: dg.DagsterInstance,
    registry: ModelRegistry,
    decide: Decide,
    capfd: pytest.CaptureFixture[str],
    alias: str,
) -> None:
    put_up(registry, 1, APPROVED)
    decide()
    before = current(instance, WORLD_MODEL)
    misplace(registry, 3, alias)
    capfd.readouterr()
    result = decide()
    assert result.success
    assert not result.asset_materializations_for_node("world_model_champion")
    assert current(instance, WORLD_MODEL) == before
    assert decision_on(registry, 3) is None
    told = f"version 3 is round-0003's `world_model_sft`, expected `world_model_rl`; move the alias {alias} to"
    assert told in capfd.readouterr().err


def test_a_champion_that_turned_out_worse_is_taken_back_though_the_alias_is_on_an_early_stage(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    for number in (1, 2):
        put_up(registry, number, APPROVED)
        decide()
    misplace(registry, 3)
    assert decide(roll_back_from=2, why="worse by 0.2").success
    champion = current(instance, WORLD_MODEL)
    assert champion
    assert (champion.version, champion.decision) == (1, "rolled_back")
    assert holders(registry, WORLD_MODEL) == {"champion": 1}


def test_a_promotion_that_died_is_carried_on_though_another_round_was_put_up_meanwhile(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, APPROVED)
    decide()
    registry.tag(WORLD_MODEL, 2, APPROVED | {"review_by": "ada"})
    registry.give_alias(WORLD_MODEL, "champion", 2)
    put_up(registry, 3, {})
    assert decide().success
    champion = current(instance, WORLD_MODEL)
    assert champion
    assert (champion.version, champion.decision, champion.who, champion.previous) == (2, "promoted", "ada", 1)
    assert decision_on(registry, 2) == "promoted"
    assert holders(registry, WORLD_MODEL) == {"champion": 2, "candidate": 3}, "the other round's review stays open"


def test_a_version_of_somebody_else_is_refused_before_the_alias_moves(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 1, APPROVED)
    decide()
    put_up(registry, FOREIGN, APPROVED)
    expected = f"RegistryError: world-model {FOREIGN} has no tag agentworld/round and no agentworld/seed"
    assert failure(decide()).startswith(expected)
    assert holders(registry, WORLD_MODEL) == {"champion": 1, "candidate": FOREIGN}


def test_a_version_whose_comparison_is_gone_is_refused_before_the_alias_moves(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide, tmp_path: Path
) -> None:
    (tmp_path / "lake" / "candidate_comparison" / "round-0001" / "c1" / "scores.json").unlink()
    put_up(registry, 1, APPROVED)
    assert "scores.json is gone" in failure(decide())
    assert holders(registry, WORLD_MODEL) == {"candidate": 1}


@pytest.mark.parametrize(("checks", "champion"), [("passed", 1), ("failed: a_check", None)])
def test_the_preset_promotes_what_passed_and_signs_for_it(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide, checks: str, champion: int | None
) -> None:
    put_up(registry, 1, {"agentworld/blocking_checks": checks})
    decide(auto_promote=False)
    assert current(instance, WORLD_MODEL) is None
    decide(auto_promote=True)
    assert holders(registry, WORLD_MODEL).get("champion") == champion
    found = current(instance, WORLD_MODEL)
    assert (found.who if found else None) == ("the preset" if champion else None)


def test_a_champion_that_turned_out_worse_is_taken_back_and_says_why(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    for number in (1, 2):
        put_up(registry, number, APPROVED)
        decide()
    was = recorded(instance, WORLD_MODEL, 1)
    assert decide(roll_back_from=2, why="worse by 0.2").success
    champion = current(instance, WORLD_MODEL)
    assert champion and was
    assert (champion.version, champion.decision, champion.why) == (1, "rolled_back", "worse by 0.2")
    assert (champion.previous, champion.reference, champion.made) == (None, was.reference, was.made)
    assert champion.at > was.at
    assert holders(registry, WORLD_MODEL) == {"champion": 1}
    assert decision_on(registry, 2) == "rolled_back"
    assert not decide(roll_back_from=2).asset_materializations_for_node("world_model_champion")
    assert decide().success
    assert current(instance, WORLD_MODEL) == champion


def test_a_roll_back_does_not_overrule_who_moved_the_alias_meanwhile(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    for number in (1, 2):
        put_up(registry, number, APPROVED)
        decide()
    registry.give_alias(WORLD_MODEL, "champion", 3)
    assert decide(roll_back_from=2).success
    assert holders(registry, WORLD_MODEL) == {"champion": 3}
    assert decide().success
    champion = current(instance, WORLD_MODEL)
    assert champion
    assert (champion.version, champion.decision) == (3, "moved")


def test_the_agent_is_promoted_without_a_reference_and_apart_from_the_world_model(
    instance: dg.DagsterInstance, registry: ModelRegistry, decide: Decide
) -> None:
    put_up(registry, 2, APPROVED, AGENT)
    assert decide(model=AGENT).success
    champion = current(instance, AGENT)
    assert champion
    assert (champion.version, champion.reference) == (2, {})
    assert holders(registry, WORLD_MODEL) == {}
    assert current(instance, WORLD_MODEL) is None


def test_while_mlflow_is_down_a_decision_fails_clearly_and_nothing_is_recorded(
    instance: dg.DagsterInstance, decide: Decide
) -> None:
    down = ModelRegistry(tracking_uri="http://127.0.0.1:9")
    assert failure(decide(registry=down)).startswith("RegistryError: MLflow at http://127.0.0.1:9 failed")
    assert current(instance, WORLD_MODEL) is None
