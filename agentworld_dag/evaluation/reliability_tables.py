"""The tables of "How far to trust an answer", made from `report.json`."""

from agentworld_dag.evaluation.calibration import CONFIDENCES
from agentworld_dag.evaluation.error_path import GROUPS
from agentworld_dag.evaluation.tables import NOT_MEASURED, Section, Table, count_cell, estimate_cell

ERROR_COLUMNS = {
    "reported": "errors reported",
    "false_alarms": "false alarms",
    "right_kind": "right kind",
    "optimism": "optimism bias",
    "exact": "exact",
}
REPLAY_COLUMNS = {
    "exact": "exact",
    "standard_deviation": "standard deviation",
    "luck": "env luck",
    "turns_that_differ": "turns that differ",
}


def all_tables(report: Section) -> list[Table]:
    """In the order of the page."""
    makers = (error_path_table, calibration_table, replay_table, half_life_table, survival_table)
    return [make(report) for make in makers]


def error_path_table(report: Section) -> Table:
    rows = [
        [f"{mode}, {group}", *(estimate_cell(groups[group][key], signed=key == "optimism") for key in ERROR_COLUMNS)]
        for mode, groups in report["reliability"]["error_path"].items()
        for group in GROUPS
    ]
    note = (
        "Greedy, from the true state or history. Reported: P(sim errors | real errors). False alarms: P(sim errors | "
        "real ok). Right kind: same kind of error, of real errors. Optimism bias: P(sim ok) less P(real ok). "
        "Planted: malformed (bash cannot parse it), empty, and illegal (no such command, operand or file)."
    )
    return Table("How far to trust an answer: errors", ["", *ERROR_COLUMNS.values()], rows, note)


def calibration_table(report: Section) -> Table:
    rows = [
        [f"{mode}, {name.replace('_', ' ')}", *_calibration_cells(found, name)]
        for mode, found in report["reliability"]["calibration"].items()
        for name in CONFIDENCES
    ]
    header = ["", "exact", "mean confidence", "ECE", "Brier", "AUROC", "risk, area"]
    note = (
        "Greedy answers. Answer and token probability: what the model holds of its whole answer and of its mean token. "
        "Agreement: share of sampled answers equal to the greedy one. Risk, area: mean share of wrong answers over "
        "every number of answers kept, surest first; the lower the better."
    )
    return Table("How far to trust an answer: confidence", header, rows, note)


def replay_table(report: Section) -> Table:
    rows = [
        [f"{mode}, T {temperature}", *(estimate_cell(found[key]) for key in REPLAY_COLUMNS)]
        for mode, temperatures in report["reliability"]["replays"].items()
        for temperature, found in temperatures.items()
    ]
    note = (
        "The same actions replayed free-running. Standard deviation: of an episode's exact share over its replays. "
        "Env luck: share of the variance of all outcomes that lies between replays of one episode."
    )
    return Table("How far to trust an answer: luck", ["", *REPLAY_COLUMNS.values()], rows, note)


def half_life_table(report: Section) -> Table:
    rows = [
        [mode, crossing_cell(found["half_life"]), crossing_cell(found["median_divergence"])]
        for mode, found in report["reliability"]["survival"].items()
    ]
    header = ["", "half-life of accuracy, turns", "median first divergence, turns"]
    note = "Free-running and greedy. Half-life: first turn whose exact share is at most half of the first turn's."
    return Table("How far to trust an answer: half-life", header, rows, note)


def survival_table(report: Section) -> Table:
    survival = report["reliability"]["survival"]
    columns = [(mode, key) for key in ("survival", "drift") for mode in survival]
    curves = [{point["turn"]: point for point in survival[mode][key]} for mode, key in columns]
    turns = sorted({turn for curve in curves for turn in curve})
    rows = [
        [
            count_cell(turn),
            *(estimate_cell(c.get(turn), key == "drift") for c, (_, key) in zip(curves, columns, strict=True)),
        ]
        for turn in turns
    ]
    header = ["turn", *(f"{'S' if key == 'survival' else 'D'}, {mode}" for mode, key in columns)]
    note = (
        "S: episodes without a wrong answer up to the turn. D: exact share with the truth fed back, less free-running."
    )
    return Table("How far to trust an answer: survival and drift by turn", header, rows, note)


def crossing_cell(found: Section) -> str:
    """`7 [6, 9]`; a turn beyond the last one measured is `> 10`."""
    if found["last"] is None:
        return NOT_MEASURED
    beyond = f"> {found['last']}"
    value, low, high = (beyond if found[bound] is None else str(found[bound]) for bound in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _calibration_cells(found: Section, name: str) -> list[str]:
    scores = found[name]
    estimates = (estimate_cell(scores[key]) for key in ("brier", "auroc"))
    return [
        estimate_cell(found["accuracy"]),
        _point(scores["mean"]),
        _point(scores["ece"]),
        *estimates,
        _point(scores["risk_area"]),
    ]


def _point(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.3f}"
