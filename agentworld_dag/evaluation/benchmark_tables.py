"""The benchmark's tables: leaderboard, rule checks, and the judge's own trial."""

from collections.abc import Mapping
from typing import Any

from agentworld_dag.evaluation.tables import NAMES, NOT_MEASURED, Table, estimate_cell

TRIAL = "trial.json"
"""The file of a judge's trial."""
Section = Mapping[str, Any]


def leaderboard_table(board: Section) -> Table:
    """Everybody measured here, best first."""
    axes = list(board["entries"][0]["checks"]) if board["entries"] else []
    header = ["", "mode", "score", "less the one above", "clean samples", *axes, "failed"]
    note = (
        f"Score: strict, 0 to 100, judge: {board['judge']}. Clean: samples of whose words training holds less than a "
        "fifth in runs of 13. By axis: rule checks passed."
    )
    return Table("Leaderboard", header, [_entry(row, axes) for row in board["entries"]], note)


def published_table(board: Section) -> Table:
    """What others published, in a table of its own: other samples, another judge."""
    columns = ("macro", "terminal", "rules")
    rows = [[row["model"], *(_percent(row[key]) for key in columns)] for row in board["published"]]
    return Table("As published", ["", "seven domains", "terminal", "rule suite"], rows, board["source"])


def checks_table(report: Section) -> Table:
    """Rule checks passed, per axis and distance, by checkpoint and mode."""
    found = report["checks"]
    columns = list(next(iter(found.values()))) if found else []
    rows = [[_name(entry), *(estimate_cell(scores[column]) for column in columns)] for entry, scores in found.items()]
    return Table("Rule checks", ["", *columns], rows, "Shares passed. Distance: turns from the change to its use.")


def trial_table(trial: Section) -> Table:
    """What the judge did with answers whose worth is known."""
    rows = [
        [verdict["name"].replace("_", " "), "yes" if verdict["holds"] else "no", verdict["evidence"]]
        for verdict in trial["verdicts"]
    ]
    return Table("The judge on trial", ["claim", "holds", "evidence"], rows, f"Judge: {trial['judge']}.")


def _entry(row: Section, axes: list[str]) -> list[str]:
    scores = [_score(row["score"]), _score(row.get("below"), signed=True), _score(row["clean"])]
    checks = [estimate_cell(row["checks"][axis]) for axis in axes]
    return [_called(row["model"]), str(row["mode"]), *scores, *checks, str(row["failed"])]


def _score(found: Section | None, signed: bool = False) -> str:
    if not found or found["value"] is None:
        return NOT_MEASURED
    sign = "+" if signed else ""
    return f"{found['value']:{sign}.1f} [{found['low']:{sign}.1f}, {found['high']:{sign}.1f}]"


def _percent(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2f}"


def _name(entry: str) -> str:
    model, _, mode = entry.partition(" ")
    return f"{_called(model)}, {mode}"


def _called(model: str) -> str:
    return NAMES.get(model, model)
