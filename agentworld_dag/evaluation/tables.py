"""The tables of a report, made once from `report.json` and shown as text or Markdown.

The page shows the same tables as HTML. A cell is text; a number that was not
measured is a dash.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentworld_dag.evaluation.measurements import ARMS, CHECKPOINTS

TERMINAL_COLUMNS = 100
NOT_MEASURED = "–"  # noqa: RUF001, a dash is meant
SECONDS_NOTE = "As first run: a reused stage keeps the seconds it once took."
NAMES = {
    "cpt": "CPT",
    "sft": "SFT",
    "rl": "RL",
    "copy": "copy baseline",
    "base": "base (imitation)",
    "sim_rl": "RL in simulation",
    "real_rl": "RL in the real shell",
    "real_rl_scarce": "RL, scarce real steps",
    "warmup": "warm-up",
    "scratch": "from scratch",
}
Section = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def estimate_cell(found: Section | None, signed: bool = False) -> str:
    """`0.771 [0.750, 0.790]`."""
    if not found or found["value"] is None:
        return NOT_MEASURED
    sign = "+" if signed else ""
    return f"{found['value']:{sign}.3f} [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"


def count_cell(number: float | None) -> str:
    return NOT_MEASURED if number is None else f"{number:,.0f}"


def fidelity_table(report: Section) -> Table:
    scores = report["fidelity"]
    baseline = scores["copy_baseline"]
    rows = [[NAMES["copy"], estimate_cell(baseline), NOT_MEASURED, estimate_cell(baseline["changed_f1"])]]
    keys = ("greedy_em", "sampled_em", "changed_f1")
    for c in CHECKPOINTS:
        rows.append([NAMES[c], *(estimate_cell(scores[c][key]) for key in keys)])
        rows += [_colder_row(f"{NAMES[c]}, T {t}", found) for t, found in scores["colder"][c].items()]
        plain = scores["modes"][c]["history"]
        if scores[c]["mode"] != "history" and any(plain[key]["n"] for key in keys):
            rows.append([f"{NAMES[c]}, plain history", *(estimate_cell(plain[key]) for key in keys)])
    note = "Held-out turns. " + ", ".join(f"{NAMES[c]} sees {scores[c]['mode']}" for c in CHECKPOINTS) + "."
    return Table("World model", ["", "exact, greedy", "exact, sampled", "changed-part F1"], rows, note)


def _colder_row(name: str, found: Section) -> list[str]:
    return [name, NOT_MEASURED, estimate_cell(found), NOT_MEASURED]


def agent_table(report: Section) -> Table:
    header = ["", "solved, sampled", "solved, greedy", "real steps", "of them practice"]
    note = "Held-out tasks in the real shell. Real steps include demonstrations and the world model's own data."
    return Table("Agent", header, [_agent_row(report, arm) for arm in ARMS], note)


def transfer_table(report: Section) -> Table:
    keys = ("sim_success", "real_success", "gap", "exploit_rate", "missed_rate", "pairwise_consistency")
    header = ["", "in simulation", "in the real shell", "gap", "exploits", "missed", "solved twice"]
    worlds = report["transfer"]["by_arm"]
    rows = [
        [f"{NAMES[arm]}, {decoding}", *(estimate_cell(found[key], signed=key == "gap") for key in keys)]
        for arm, decodings in worlds.items()
        for decoding, found in decodings.items()
    ]
    note = (
        "One policy, the same tasks. Exploits: simulated successes whose actions fail when replayed in the real shell. "
        "Missed: simulated failures whose replay succeeds. Solved twice: real successes also solved by the replay. "
        "Success won in the real shell for each point won in simulation, sampled: "
        f"{estimate_cell(report['transfer']['efficiency']['sampled'])}."
    )
    return Table("Simulation and reality", header, rows, note)


def differences_table(report: Section) -> Table:
    pairs = report["transfer"]["differences"].items()
    rows = [[pair.replace("-", " − "), *(_both(found))] for pair, found in pairs]  # noqa: RUF001
    control = report["transfer"]["temperature_control"]["over_best"]
    rows += [[f"{arm} − best colder base", estimate_cell(found, True), NOT_MEASURED] for arm, found in control.items()]  # noqa: RUF001
    return Table("Paired differences in the real shell", ["", "sampled", "greedy"], rows)


def drift_table(report: Section) -> Table:
    drift = report["drift"]
    forced, free = (drift[regime] for regime in ("teacher_forced", "free_running"))
    history = {row["turn"]: row for row in drift["by_mode"]["history"]["free_running"]}
    rows = [
        [
            str(b["turn"]),
            estimate_cell(a),
            estimate_cell(b),
            estimate_cell(b["state"]),
            estimate_cell(history.get(b["turn"])),
        ]
        for a, b in zip(forced, free, strict=True)
    ]
    header = ["turn", "truth fed back", "own observations fed back", "its state", "plain history, own fed back"]
    return Table(f"Drift ({drift['mode']})", header, rows, "Greedy exact match along held-out episodes.")


def kinds_table(report: Section, decoding: str) -> Table:
    by_arm = {arm: report["agent"][arm]["by_kind"][decoding] for arm in ARMS}
    kinds = sorted({kind for found in by_arm.values() for kind in found})
    rows = [[kind, *(estimate_cell(by_arm[arm].get(kind)) for arm in ARMS)] for kind in kinds]
    return Table(f"Per task kind, {decoding}", ["", *(NAMES[arm] for arm in ARMS)], rows)


def commands_table(report: Section) -> Table:
    found = report["fidelity"]["by_command"]
    rows = [[command, estimate_cell(score), count_cell(score["n"])] for command, score in found.items()]
    return Table("Per command (RL, greedy)", ["", "exact", "turns"], rows)


def accounts_table(report: Section) -> Table:
    columns = (
        "world_model_steps",
        "demonstration_steps",
        "practice_steps",
        "steps",
        "world_model_s",
        "practice_s",
        "seconds",
    )
    header = [
        "",
        "world model",
        "demonstrations",
        "practice",
        "all real steps",
        "world model, s",
        "training, s",
        "all, s",
    ]
    arms = report["accounts"]["arms"]
    rows = [[NAMES[arm], *(count_cell(arms[arm][column]) for column in columns)] for arm in ARMS]
    paid = report["transfer"]["break_even"]
    note = f"Break-even in real steps: {paid['statement']} In wall time: {paid['statement_wall_time']}"
    return Table("What each arm cost", header, rows, note)


def claims_table(report: Section) -> Table:
    rows = [[claim["holds"], claim["claim"], claim["evidence"]] for claim in report["claims"]]
    return Table("Claims", ["holds", "claim", "evidence"], rows)


def seconds_table(report: Section) -> Table:
    rows = [[stage, f"{spent:,.1f}"] for stage, spent in report["seconds"].items()]
    return Table("Seconds", ["stage", "seconds"], rows, SECONDS_NOTE)


def to_markdown(table: Table) -> str:
    lines = [_piped(table.header), _piped(["---"] * len(table.header)), *(_piped(row) for row in table.rows)]
    return "\n".join([f"## {table.title}", "", *lines, *(["", table.note] if table.note else [])])


def to_text(table: Table) -> str:
    """Aligned columns; as wide as its cells."""
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    lines = [table.header, ["-" * width for width in widths], *table.rows]
    return "\n".join([table.title, *("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)])


def terminal_table(report: Section) -> str:
    """What `make run` ends with: at most TERMINAL_COLUMNS wide."""
    head = f"AgentWorld {report['round']}, preset {report['preset']}, seed {report['seed']}: value [95 % interval]"
    failed = report["failed"]["total"]
    calls = f"{failed['failed']} of {failed['of']:,} calls failed and scored 0"
    spent = f"{report['seconds']['total']:,.0f} s in all stages; {calls}"
    claims = "\n".join(["Claims", *(_claim_lines(claim) for claim in report["claims"])])
    parts = [
        head,
        to_text(fidelity_table(report)),
        to_text(_short_agent_table(report)),
        claims,
        _break_even_lines(report),
        spent,
    ]
    return "\n\n".join(parts)


def _short_agent_table(report: Section) -> Table:
    whole = agent_table(report)
    return Table("Agent, in the real shell", whole.header[:-1], [row[:-1] for row in whole.rows])


def _agent_row(report: Section, arm: str) -> list[str]:
    found = report["agent"][arm]
    solved = [estimate_cell(found[f"real_success_{decoding}"]) for decoding in ("sampled", "greedy")]
    account = report["accounts"]["arms"][arm]
    return [NAMES[arm], *solved, count_cell(report["real_steps"][arm]), count_cell(account["practice_steps"])]


def _both(found: Section) -> list[str]:
    return [estimate_cell(found[decoding], signed=True) for decoding in ("sampled", "greedy")]


def _claim_lines(claim: Section) -> str:
    indent = f"{claim['holds']:<11}{estimate_cell(claim['estimate'], signed=True):<26}"
    return textwrap.fill(claim["claim"], TERMINAL_COLUMNS, initial_indent=indent, subsequent_indent=" " * len(indent))


def _break_even_lines(report: Section) -> str:
    return textwrap.fill(f"Break-even: {report['transfer']['break_even']['statement']}", TERMINAL_COLUMNS)


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
