import dataclasses

import pytest

from agentworld_dag.evaluation.intervals import Estimate
from agentworld_dag.evaluation.model_card import COMMANDS_SHOWN, GAP, HOW_TO_DECIDE, model_card
from agentworld_dag.evaluation.model_facts import Cost, Lineage, ModelFacts, Score
from agentworld_dag.resources.registry import MAX_CARD_CHARS

LINEAGE = Lineage("0f6ad5a2-run", "world_model_rl", "3b1f9c27aa04", "90ab12cd34ef", 240, 60)
BY_COMMAND = "Largest losses and gains by command"
COST = Cost(seconds=1234.4, gpu_seconds=None, tokens=1_250_000, money=0.31)


def score(name: str, change: float, reach: float = 0.02, champion: float = 0.8) -> Score:
    return Score(
        name,
        Estimate(champion + change, champion + change - 0.03, champion + change + 0.03, 1500, 120),
        Estimate(champion, champion - 0.03, champion + 0.03, 1500, 120),
        Estimate(change, change - reach, change + reach, 1500, 120),
    )


FACTS = ModelFacts(
    model="world-model",
    round="round-0002",
    seed=3,
    champion=4,
    start="the weights of the champion",
    baseline="copying the last observation",
    lineage=LINEAGE,
    scores=(score("exact, greedy", 0.05), score("changed-part F1", -0.06), score("rule checks", -0.01)),
    commands=tuple(score(name, change) for name, change in [("cat", 0.2), ("ls", -0.1), ("cd", 0.0), ("rm", -0.3)]),
    cost=COST,
)


def section(card: str, title: str) -> str:
    """Without the room that ends every cell."""
    return card.replace(GAP, "").split(f"## {title}\n\n")[1].split("\n\n## ")[0]


def test_card_names_where_the_version_comes_from() -> None:
    card = model_card(FACTS)
    origin = card.split("\n\n")[0]
    for told in ("`world-model`", "round-0002", "seed 3", "champion, version 4"):
        assert told in origin
    made = section(card, "Lineage")
    for told in ("0f6ad5a2-run", "world_model_rl", "3b1f9c27aa04", "90ab12cd34ef", "240 fresh, 60 replayed"):
        assert told in made


def test_scores_stand_beside_the_champion_with_the_paired_difference() -> None:
    shown = section(model_card(FACTS), "Scores")
    assert "| candidate | champion (version 4) | difference | turns |" in shown
    row = "| exact, greedy | 0.850 [0.820, 0.880] | 0.800 [0.770, 0.830] | +0.050 [+0.030, +0.070] | 1,500 |"
    assert row in shown


def test_what_was_not_measured_is_a_dash() -> None:
    facts = dataclasses.replace(FACTS, scores=(Score("judged", None, None, None),))
    assert "| judged | – | – | – | – |" in section(model_card(facts), "Scores")  # noqa: RUF001


def test_only_what_is_worse_beyond_chance_got_worse() -> None:
    assert section(model_card(FACTS), "What got worse") == "- **changed-part F1**: -0.060 [-0.080, -0.040]"


@pytest.mark.parametrize("scores", [(score("exact", -0.01),), (score("exact", 0.1),), (Score("x", None, None, None),)])
def test_nothing_got_worse_is_said(scores: tuple[Score, ...]) -> None:
    card = model_card(dataclasses.replace(FACTS, scores=scores))
    assert section(card, "What got worse").startswith("Nothing beyond chance")


def test_commands_run_from_the_largest_loss_to_the_largest_gain() -> None:
    shown = section(model_card(FACTS), BY_COMMAND)
    assert [row.split()[1] for row in shown.splitlines()[2:5]] == ["rm", "ls", "cat"]
    assert "| cd " not in shown
    assert "Of 4 commands compared" in shown


def test_without_a_change_no_command_is_shown() -> None:
    card = model_card(dataclasses.replace(FACTS, commands=(score("cat", 0.0),)))
    assert section(card, BY_COMMAND).startswith("None. Of 1 commands compared")


def test_first_round_is_compared_with_copying() -> None:
    card = model_card(dataclasses.replace(FACTS, champion=None, round="round-0001"))
    assert "There is no champion yet" in card.split("\n\n")[0]
    assert "| candidate | copying the last observation | difference |" in section(card, "Scores")
    assert "version 4" not in card


def test_cost_and_how_to_decide() -> None:
    card = model_card(FACTS)
    assert "| 1,234 | – | 1,250,000 | 0.3100 USD |" in section(card, "Cost")  # noqa: RUF001
    assert card.endswith(f"{HOW_TO_DECIDE}\n")


def test_a_card_with_many_scores_and_commands_fits_the_registry() -> None:
    many = tuple(score(f"a metric with a name {n:02}", (-1) ** n * 0.2) for n in range(20))
    card = model_card(dataclasses.replace(FACTS, scores=many[:14], commands=many))
    assert card.count("| a metric") == 14 + 2 * COMMANDS_SHOWN
    assert len(card) <= MAX_CARD_CHARS
