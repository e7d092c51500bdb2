"""From forged artifact folders to what a card tells."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.evaluation import card_facts
from agentworld_dag.evaluation.intervals import Estimate
from agentworld_dag.evaluation.model_card import COMMANDS_SHOWN, model_card
from agentworld_dag.evaluation.model_facts import Cost, Lineage, ModelFacts
from agentworld_dag.resources.registry import MAX_CARD_CHARS

TIMING = {"process_started_at": 10.0, "work_started_at": 12.0, "finished_at": 15.0}
USED = {"seconds": 6.0, "gpu_s": 3.0, "cpu_core_s": 5.0, "tokens": 100, "money": 0.25, "currency": "EUR"}


def forged(folder: Path, inputs: dict[str, Path] | None = None, **result: Any) -> Path:
    """A complete artifact."""
    folder.mkdir(parents=True)
    named = {name: str(path) for name, path in (inputs or {}).items()}
    (folder / "result.json").write_text(json.dumps({"inputs": named, "timing": TIMING, "metrics": {}} | result))
    return folder


def estimate(value: float | None) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None, "n": 0, "clusters": 0}
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 1500, "clusters": 300}


def sides(candidate: float, **others: float) -> dict[str, Any]:
    return {name: estimate(value) for name, value in {"candidate": candidate, **others}.items()}


def compared(folder: Path, found: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "comparison.json").write_text(json.dumps(found))
    return folder


def a_set(other: str, commands: int = 1) -> dict[str, Any]:
    against = {other: 0.5, "difference": 0.2}
    return {
        "fidelity": sides(0.7, **against),
        "self_fed_fidelity": sides(0.6, **against),
        "by_command": {f"command-of-some-length-{n:02} >>": sides(0.7, **against) for n in range(commands)},
    }


@pytest.mark.parametrize("other", ["champion", "copy"])
def test_scores_of_a_world_model_are_per_set_and_regime(tmp_path: Path, other: str) -> None:
    comparison = compared(tmp_path / "c", {"fresh": a_set(other), "held_out": a_set(other)})
    scores = card_facts.world_model_scores(comparison)
    assert [score.name for score in scores] == [
        "fresh sessions, one step",
        "fresh sessions, on own answers",
        "held-out sessions, one step",
        "held-out sessions, on own answers",
    ]
    assert scores[0].candidate == Estimate(0.7, 0.7 - 0.1, 0.7 + 0.1, 1500, 300)
    assert scores[0].reference is not None
    assert scores[0].reference.value == 0.5
    assert scores[0].difference is not None
    assert scores[0].difference.value == 0.2


def test_a_side_that_has_no_answers_is_not_measured(tmp_path: Path) -> None:
    first = a_set("copy") | {"self_fed_fidelity": sides(0.6)}
    _, fed = card_facts.world_model_scores(compared(tmp_path / "c", {"fresh": first}))
    assert fed.candidate is not None
    assert (fed.reference, fed.difference) == (None, None)


def test_commands_are_those_of_fresh_sessions(tmp_path: Path) -> None:
    found = {"fresh": a_set("champion", commands=3), "held_out": a_set("champion", commands=9)}
    assert len(card_facts.command_scores(compared(tmp_path / "c", found))) == 3


def test_scores_of_an_agent_stand_beside_the_champion_and_its_own_start(tmp_path: Path) -> None:
    found = {
        "success": sides(0.7, champion=0.6, difference=0.1),
        "against_base": sides(0.7, base=0.4, difference=0.3),
    }
    success, practice = card_facts.policy_scores(compared(tmp_path / "c", found))
    assert success.reference and success.difference and practice.difference
    assert (success.reference.value, success.difference.value, practice.difference.value) == (0.6, 0.1, 0.3)
    assert practice.reference is None, "the column is the champion's"


def test_without_a_champion_an_agent_stands_beside_its_own_start(tmp_path: Path) -> None:
    found = {"success": {"candidate": sides(0.7)["candidate"]}, "against_base": sides(0.7, base=0.4, difference=0.3)}
    [success] = card_facts.policy_scores(compared(tmp_path / "c", found))
    assert success.reference and success.difference
    assert (success.reference.value, success.difference.value) == (0.4, 0.3)


@pytest.mark.parametrize(("replayed", "expected"), [({}, (9, 0)), ({"replayed": {"cpt": 1, "sft": 2}}, (6, 3))])
def test_lineage_tells_fresh_from_replayed(tmp_path: Path, replayed: dict[str, Any], expected: tuple[int, int]) -> None:
    counted = {"trajectories": {"cpt": 2, "sft": 3, "rl": 4, "validation": 50, "held_out": 60}}
    splits = forged(tmp_path / "splits", metrics=counted | replayed)
    found = card_facts.lineage_of("run", "world_model_rl", tmp_path / "abc", "code", splits)
    assert found == Lineage("run", "world_model_rl", "abc", "code", *expected)


def test_cost_is_that_of_everything_upstream_once_in_its_own_currency(tmp_path: Path) -> None:
    data = forged(tmp_path / "data", cost=USED)
    older = forged(tmp_path / "older")
    cpt = forged(tmp_path / "cpt", {"data": data, "older": older}, cost=USED)
    rl = forged(tmp_path / "rl", {"cpt": cpt, "data": data}, cost=USED)
    assert card_facts.cost_of("rl", rl) == Cost(18.0, 9.0, 300, 0.75, "EUR")


def test_without_an_account_the_clock_tells_the_seconds_and_nothing_the_rest(tmp_path: Path) -> None:
    data = forged(tmp_path / "data")
    rl = forged(tmp_path / "rl", {"data": data})
    assert card_facts.cost_of("rl", rl) == Cost(10.0, None, None, None)


def test_a_card_of_many_commands_fits_the_registry(tmp_path: Path) -> None:
    sets = {name: a_set("champion", commands=60) for name in card_facts.SETS}
    for number, changed in enumerate(sets["fresh"]["by_command"].values()):
        changed["difference"] = estimate(-0.3 + 0.01 * number)
    comparison = compared(tmp_path / "c", sets)
    facts = ModelFacts(
        model="world-model",
        round="round-0002",
        seed=3,
        champion=4,
        start="the weights of the champion",
        baseline="copying the last observation",
        lineage=Lineage("0" * 36, "world_model_rl", "3b1f9c27aa04", "90ab12cd34ef", 24_000, 6_000),
        scores=card_facts.world_model_scores(comparison),
        commands=card_facts.command_scores(comparison),
        cost=Cost(123_456.0, 123_456.0, 1_250_000_000, 1234.5),
    )
    card = model_card(facts)
    assert card.count("command-of-some-length") == 2 * COMMANDS_SHOWN
    assert len(card) <= MAX_CARD_CHARS
    first = model_card(dataclasses.replace(facts, champion=None))
    assert len(first) <= MAX_CARD_CHARS
