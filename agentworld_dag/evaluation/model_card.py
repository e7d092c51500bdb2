"""The model card of a version, in Markdown: what a reviewer reads before deciding.

Nothing is decided here. No title stands above the text, for the page it is
shown on names the model and the version. Left out: a correction for many
metrics; the card says what to expect by chance instead.
"""

from collections.abc import Sequence
from dataclasses import asdict

from agentworld_dag.evaluation.intervals import Estimate
from agentworld_dag.evaluation.model_facts import Cost, Lineage, ModelFacts, Score
from agentworld_dag.evaluation.tables import NOT_MEASURED, Table, count_cell, estimate_cell, to_markdown

GAP = "\u00a0" * 3
"""Ends every cell: MLflow draws tables without any room between columns."""
COMMANDS_SHOWN = 5
"""Of the losses, and of the gains."""
SCORES_NOTE = "95 % intervals; differences are paired by trajectory. More is better."
HOW_TO_DECIDE = """## How to decide

The source run named above leads to sessions to read (its tab Traces) and to the files of the review (its tab Artifacts,
folder `review`).

Set the tag `review` of this version to `approved` or `rejected`, and say why in the tag `review_comment`; `review_by`
may name you. An approved version gets the alias `champion`; a rejected one stays in the registry."""


def model_card(facts: ModelFacts) -> str:
    """The whole card."""
    parts = [
        _origin(facts),
        _score_table("Scores", facts.scores, facts, SCORES_NOTE),
        _got_worse(facts),
        _commands(facts),
        _lineage(facts.lineage),
        _cost(facts.cost),
        HOW_TO_DECIDE,
    ]
    return "\n\n".join(parts) + "\n"


def _origin(facts: ModelFacts) -> str:
    made = f"Candidate for `{facts.model}`, trained in **{facts.round}** with seed {facts.seed}"
    if facts.champion is None:
        return f"{made} from {facts.start}. There is no champion yet: it is compared with {_reference(facts)}."
    return f"{made} from {facts.start}, and compared with the champion, version {facts.champion}."


def _reference(facts: ModelFacts) -> str:
    return facts.baseline if facts.champion is None else f"champion (version {facts.champion})"


def _got_worse(facts: ModelFacts) -> str:
    compared = [(score.name, score.difference) for score in facts.scores if score.difference]
    worse = [f"- **{name}**: {_cell(change, signed=True)}" for name, change in compared if change.high < 0]
    nothing = f"Nothing beyond chance: of {len(compared)} differences none has its interval wholly below 0."
    return "## What got worse\n\n" + ("\n".join(worse) or nothing)


def _commands(facts: ModelFacts) -> str:
    """From the largest loss to the largest gain; what changed little is left out."""
    changed = [(score.difference.value, score) for score in facts.commands if score.difference]
    ranked = sorted((pair for pair in changed if pair[0]), key=lambda pair: pair[0])
    losses = [score for change, score in ranked if change < 0][:COMMANDS_SHOWN]
    gains = [score for change, score in ranked if change > 0][-COMMANDS_SHOWN:]
    chance = f"Of {len(changed)} commands compared; one in twenty such intervals leaves 0 out by chance."
    return _score_table("Largest losses and gains by command", [*losses, *gains], facts, chance)


def _score_table(title: str, scores: Sequence[Score], facts: ModelFacts, note: str) -> str:
    if not scores:
        return f"## {title}\n\nNone. {note}"
    header = ["", "candidate", _reference(facts), "difference", "turns"]
    return _spaced(Table(title, header, [_row(score) for score in scores], note))


def _row(score: Score) -> list[str]:
    turns = count_cell(score.candidate.n) if score.candidate else NOT_MEASURED
    return [score.name, _cell(score.candidate), _cell(score.reference), _cell(score.difference, signed=True), turns]


def _cell(found: Estimate | None, signed: bool = False) -> str:
    return estimate_cell(asdict(found) if found else None, signed)


def _lineage(lineage: Lineage) -> str:
    rows = [
        ["Dagster run", f"`{lineage.dagster_run}`"],
        ["asset", f"`{lineage.asset}`"],
        ["fingerprint", f"`{lineage.fingerprint}`"],
        ["code version", f"`{lineage.code_version}`"],
        ["trajectories", f"{lineage.fresh_trajectories:,} fresh, {lineage.replayed_trajectories:,} replayed"],
    ]
    return _spaced(Table("Lineage", ["", "made by"], rows, "The fingerprint names its folder in the lake."))


def _cost(cost: Cost) -> str:
    money = NOT_MEASURED if cost.money is None else f"{cost.money:,.{2 if cost.money >= 1 else 4}f} {cost.currency}"
    header = ["seconds", "GPU-seconds", "tokens", "money"]
    row = [count_cell(cost.seconds), count_cell(cost.gpu_seconds), count_cell(cost.tokens), money]
    return _spaced(Table("Cost", header, [row], "Of this round, up to this version."))


def _spaced(table: Table) -> str:
    rows = [[cell + GAP for cell in row] for row in table.rows]
    return to_markdown(Table(table.title, [cell + GAP for cell in table.header], rows, table.note))
