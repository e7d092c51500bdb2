"""A run that dies at any call to MLflow and is started again: the end is that of a run nobody disturbed."""

from dataclasses import asdict, dataclass
from itertools import count, product
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from agentworld_dag.assets.champions import current
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL
from agentworld_dag.resources.registry import ModelRegistry
from tests import on_record
from tests.assets.conftest import Decide, decider
from tests.registered import copy_of

CALLS = ("versions", "give_alias", "tag", "take_alias")
REAL = {name: getattr(ModelRegistry, name) for name in CALLS}
ROLL_BACK = {"roll_back_from": 2, "why": "worse by 0.2"}
DECISIONS: dict[str, tuple[dict[str, str], dict[str, Any], int]] = {
    "promote": ({"review": "approved", "review_by": "ada"}, {}, 4),
    "reject": ({"review": "rejected"}, {}, 3),
    "roll back": ({}, ROLL_BACK, 3),
}
"""The candidate's tags, the configuration of the run, and how often it asks MLflow."""
MODELS = (WORLD_MODEL, AGENT)
NEVER = 99
DEATHS = [
    (decision, call, when)
    for decision, (*_, calls) in DECISIONS.items()
    for call in range(1, calls + 1)
    for when in ("before", "after")
]

EndState = tuple[dict[str, Any], list[Any]]


class Died(Exception):
    """Stands for a process that is gone."""


@dataclass(frozen=True)
class World:
    """Version 2 is champion after version 1, and version 3 is under review."""

    instance: dg.DagsterInstance
    registry: ModelRegistry
    decide: Decide
    model: str

    def champions(self) -> list[int]:
        versions = REAL["versions"](self.registry, self.model)
        return [each.number for each in versions if "champion" in each.aliases]

    def end_state(self) -> EndState:
        """The record and the registry, but for when; one champion, and the record names it."""
        champion = current(self.instance, self.model)
        assert champion
        assert self.champions() == [champion.version]
        versions = [(each.number, dict(each.tags), each.aliases) for each in self.registry.versions(self.model)]
        return asdict(champion) | {"at": 0.0}, versions


def new_world(database: Path, folder: Path, tags: dict[str, str], model: str = WORLD_MODEL) -> World:
    instance, registry = dg.DagsterInstance.ephemeral(), copy_of(database, folder)
    for number in (1, 2):
        on_record.promoted(instance, on_record.champion(number, model))
        registry.tag(model, number, {"review": "approved", "agentworld/decision": "promoted"})
    registry.give_alias(model, "champion", 2)
    registry.give_alias(model, "candidate", 3)
    registry.tag(model, 3, tags)
    return World(instance, registry, decider(instance, registry, folder), model)


def run_until(world: World, call: int, when: str, config: dict[str, Any]) -> list[list[int]]:
    """Runs a decision until it dies around a call, or to its end; who had the alias `champion` after each call."""
    seen: list[list[int]] = []
    numbers = count(1)

    def disturbed(name: str) -> Any:
        def run(registry: ModelRegistry, *given: Any) -> Any:
            now = next(numbers)
            if (now, when) == (call, "before"):
                raise Died(name)
            found = REAL[name](registry, *given)
            seen.append(world.champions())
            if (now, when) == (call, "after"):
                raise Died(name)
            return found

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(ModelRegistry, name, disturbed(name))
        assert world.decide(model=world.model, **config).success == (call == NEVER)
    return seen


@pytest.fixture(scope="module")
def undisturbed(database: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], EndState]:
    """By model and decision."""
    found = {}
    for model, (decision, (tags, config, calls)) in product(MODELS, DECISIONS.items()):
        world = new_world(database, tmp_path_factory.mktemp(decision.replace(" ", "-")), tags, model)
        assert len(run_until(world, NEVER, "", config)) == calls
        found[model, decision] = world.end_state()
    return found


@pytest.mark.parametrize("model", MODELS)
def test_undisturbed_the_three_decisions_end_differently(
    undisturbed: dict[tuple[str, str], EndState], model: str
) -> None:
    records = {decision: undisturbed[model, decision][0] for decision in DECISIONS}
    ends = {decision: (record["version"], record["decision"]) for decision, record in records.items()}
    assert ends == {"promote": (3, "promoted"), "reject": (2, "promoted"), "roll back": (1, "rolled_back")}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("decision", "call", "when"), DEATHS)
def test_started_again_it_ends_as_if_nothing_had_happened(
    database: Path,
    tmp_path: Path,
    undisturbed: dict[tuple[str, str], EndState],
    decision: str,
    call: int,
    when: str,
    model: str,
) -> None:
    tags, config, _ = DECISIONS[decision]
    world = new_world(database, tmp_path, tags, model)
    seen = run_until(world, call, when, config) + run_until(world, NEVER, "", config)
    assert {len(holders) for holders in seen} == {1}, "one champion at every moment"
    assert world.end_state() == undisturbed[model, decision]
    assert run_until(world, NEVER, "", config) == [world.champions()]
    assert world.end_state() == undisturbed[model, decision]


@pytest.mark.parametrize(("call", "when"), [death[1:] for death in DEATHS if death[0] == "roll back"])
def test_a_roll_back_that_died_is_finished_as_one_by_the_run_that_carries_out_reviews(
    database: Path, tmp_path: Path, undisturbed: dict[tuple[str, str], EndState], call: int, when: str
) -> None:
    world = new_world(database, tmp_path, {})
    run_until(world, call, when, ROLL_BACK)
    run_until(world, NEVER, "", {})
    run_until(world, NEVER, "", ROLL_BACK)
    assert world.end_state() == undisturbed[WORLD_MODEL, "roll back"]


@pytest.mark.parametrize(("call", "when"), [death[1:] for death in DEATHS if death[0] == "promote"])
def test_a_tag_flipped_before_a_dead_promotion_goes_on_leaves_one_champion_and_no_open_review(
    database: Path, tmp_path: Path, call: int, when: str
) -> None:
    world = new_world(database, tmp_path, DECISIONS["promote"][0])
    run_until(world, call, when, {})
    world.registry.tag(WORLD_MODEL, 3, {"review": "rejected"})
    run_until(world, NEVER, "", {})
    record, versions = world.end_state()
    assert record["version"] in (2, 3)
    assert not [aliases for *_, aliases in versions if "candidate" in aliases]
