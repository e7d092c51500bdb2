"""The report as one self-contained HTML page: no script, no network, pictures as inline SVG."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentworld_dag.evaluation import benchmark_plots, benchmark_tables, plots, reliability_tables, tables
from agentworld_dag.evaluation.tables import Table, estimate_cell

Section = Mapping[str, Any]

CSS = """
:root { --ink: #1f2933; --grey: #66727f; --line: #e3e7eb; --blue: #2563a8;
  --yes: #2f855a; --no: #b83232; --open: #8a6d1f; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: #fff;
  max-width: 1080px; margin: 2.5rem auto 4rem; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 0.6rem; padding-bottom: 0.3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 0.95rem; margin: 1.4rem 0 0.3rem; }
p, li { max-width: 50rem; } .wide { max-width: none; }
.quiet, .interval, figcaption { color: var(--grey); }
.interval { font-size: 0.85em; white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.8rem; margin: 1.4rem 0; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 0.7rem 0.9rem; }
.card b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
.card span { display: block; font-size: 0.82rem; color: var(--grey); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th { text-align: left; font-weight: 600; color: var(--grey); font-size: 0.82rem; }
th, td { padding: 0.32rem 0.9rem 0.32rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.claims td:nth-child(2) { width: 40%; }
.claims td:nth-child(3) { color: var(--grey); font-size: 0.85rem; }
.chip { display: inline-block; min-width: 6.2rem; text-align: center; border-radius: 1rem; font-size: 0.8rem;
  font-weight: 600; padding: 0.05rem 0.5rem; color: #fff; }
.yes { background: var(--yes); } .no { background: var(--no); } .undecided { background: var(--open); }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption { font-size: 0.85rem; }
details { margin: 0.8rem 0; } summary { cursor: pointer; font-weight: 600; font-size: 0.95rem; }
"""


def page(report: Section, limits: Sequence[str]) -> str:
    """The whole page."""
    title = f"AgentWorld {report['round']}: preset {report['preset']}, seed {report['seed']}"
    body = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="quiet wide">{html.escape(_origin(report))}</p>',
        _cards(report),
        _claims(report),
        *_world_model(report),
        *_benchmark(report),
        *_reliability(report),
        *_agent(report),
        *_costs(report),
        "<h2>Limits</h2>",
        "<ul>" + "".join(f"<li>{html.escape(limit)}</li>" for limit in limits) + "</ul>",
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{CSS}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _world_model(report: Section) -> list[str]:
    return [
        "<h2>World model</h2>",
        _table(tables.fidelity_table(report)),
        _figure(
            plots.svg(plots.fidelity_figure(report), "fidelity"), "Whiskers: 95 % intervals, clustered by trajectory."
        ),
        _figure(
            plots.svg(plots.drift_figure(report), "drift"), "Greedy, along held-out episodes. Bands: 95 % intervals."
        ),
        _folded(tables.drift_table(report)),
        _folded(tables.commands_table(report)),
    ]


def _benchmark(report: Section) -> list[str]:
    board = report["leaderboard"]
    return [
        "<h2>Benchmark</h2>",
        _table(benchmark_tables.leaderboard_table(board)),
        _figure(plots.svg(benchmark_plots.leaderboard_figure(board), "leaderboard"), ""),
        "<h3>Rule checks</h3>",
        _table(benchmark_tables.checks_table(report)),
        _folded(benchmark_tables.trial_table(report["judge_trial"])),
    ]


def _reliability(report: Section) -> list[str]:
    caption = "Left: free-running, by Kaplan and Meier. Right: greedy answers, the surest kept. Bands: 95 % intervals."
    return [
        "<h2>How far to trust an answer</h2>",
        _table(reliability_tables.error_path_table(report)),
        _figure(plots.svg(plots.reliability_figure(report), "reliability"), caption),
        "<h3>Confidence</h3>",
        _table(reliability_tables.calibration_table(report)),
        "<h3>Luck</h3>",
        _table(reliability_tables.replay_table(report)),
        "<h3>How long an episode stays true</h3>",
        _table(reliability_tables.half_life_table(report)),
        _folded(reliability_tables.survival_table(report)),
    ]


def _agent(report: Section) -> list[str]:
    colder = "Bars: 95 % intervals, clustered by task. T: sampled at that temperature, the control of a sampled gain."
    return [
        "<h2>Agent</h2>",
        _table(tables.agent_table(report)),
        _figure(plots.svg(plots.agent_figure(report), "agent"), colder),
        "<h3>Simulation and reality</h3>",
        _table(tables.transfer_table(report)),
        _figure(plots.svg(plots.kinds_figure(report), "kinds"), "Share of held-out tasks solved in the real shell."),
        _folded(tables.differences_table(report)),
        _folded(tables.kinds_table(report, "sampled")),
        _folded(tables.kinds_table(report, "greedy")),
    ]


def _costs(report: Section) -> list[str]:
    return [
        "<h2>Cost</h2>",
        _table(tables.accounts_table(report)),
        _figure(plots.svg(plots.cost_figure(report), "cost"), ""),
        _figure(
            plots.svg(plots.seconds_figure(report), "seconds"),
            tables.SECONDS_NOTE,
        ),
    ]


def _origin(report: Section) -> str:
    failed = report["failed"]["total"]
    calls = f"{failed['failed']} of {failed['of']:,} calls failed and scored 0"
    spent = f"{report['seconds']['total']:,.0f} s in all stages"
    return f"{report['created_at']} · commit {report['commit']} · {spent} · {calls}"


def _cards(report: Section) -> str:
    transfer = report["transfer"]
    gain = transfer["differences"]["sim_rl-base"]["sampled"]
    shown = [
        ("exact observations, world model, greedy", report["fidelity"]["rl"]["greedy_em"], False),
        ("exact observations, world model, sampled", report["fidelity"]["rl"]["sampled_em"], False),
        ("real success won by practice in simulation", gain, True),
        ("simulated less real success", transfer["gap"], True),
    ]
    return '<div class="cards">' + "".join(_card(*card) for card in shown) + "</div>"


def _card(label: str, found: Section, signed: bool) -> str:
    value, _, interval = estimate_cell(found, signed).partition(" ")
    return f'<div class="card"><b>{value}</b><span>{interval}</span><span>{label}</span></div>'


def _claims(report: Section) -> str:
    rows = [
        [f'<span class="chip {h}">{h}</span>', html.escape(c), _cell(e)] for h, c, e in tables.claims_table(report).rows
    ]
    held = sum(claim["holds"] == "yes" for claim in report["claims"])
    lead = f"<p>{held} of {len(rows)} hold. Yes and no: the 95 % interval lies wholly on that side.</p>"
    return "<h2>Claims</h2>" + lead + _grid(["holds", "claim", "evidence"], rows, "claims")


def _table(table: Table) -> str:
    note = f'<p class="quiet">{html.escape(table.note)}</p>' if table.note else ""
    return _grid(table.header, [[_cell(cell) for cell in row] for row in table.rows]) + note


def _folded(table: Table) -> str:
    return f"<details><summary>{html.escape(table.title)}</summary>{_table(table)}</details>"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}"><tr>{head}</tr>{body}</table></div>'


def _cell(text: str) -> str:
    return re.sub(r"(\[[^\]]*\])", r'<span class="interval">\1</span>', html.escape(text))


def _figure(drawing: str, caption: str) -> str:
    return f"<figure>{drawing}<figcaption>{html.escape(caption)}</figcaption></figure>"
