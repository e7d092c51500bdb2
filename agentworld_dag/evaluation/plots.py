"""The pictures of a report, drawn from `report.json` with matplotlib.

Every error bar and band is a 95 % interval. A figure is returned, and turned
into SVG for a page or PNG for a document by its caller's choice.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agentworld_dag.evaluation.measurements import ARMS
from agentworld_dag.evaluation.tables import NAMES

Section = Mapping[str, Any]
INK, GREY, PALE = "#1f2933", "#7b8794", "#d9dee4"
BLUE, ORANGE, GREEN = "#2563a8", "#d9822b", "#2f855a"
STAGE_COLOURS = {"copy": "#c3cad2", "cpt": "#9ec3e6", "sft": "#5b9bd5", "rl": BLUE}
WIDTH = 10.8
MODE_COLOURS = {"ledger": BLUE, "history": ORANGE}
DECODING_COLOURS = {"sampled": BLUE, "greedy": GREEN}
SHIFT = {"sampled": 0.14, "greedy": -0.14}
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#eceff2",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@mpl.rc_context(STYLE)
def fidelity_figure(report: Section, per_seed: Sequence[Section] = ()) -> Figure:
    """Bars per stage for greedy, sampled and changed-part scores; a dot per seed."""
    figure, axes = _panels(1, WIDTH, 3.1)
    measures = {
        "greedy_em": "exact match, greedy",
        "sampled_em": "exact match, sampled",
        "changed_f1": "changed-part F1",
    }
    for place, key in enumerate(measures):
        for offset, stage in enumerate(STAGE_COLOURS):
            x = place + (offset - 1.5) * 0.2
            _bar(axes[0], x, _score(report, stage, key), STAGE_COLOURS[stage], NAMES[stage] if place == 0 else None)
            _dots(axes[0], x + 0.05, [_score(run, stage, key) for run in per_seed])
    axes[0].set_xticks(range(len(measures)), list(measures.values()))
    axes[0].set(ylim=(0, 1.08), title="Fidelity on held-out turns")
    axes[0].grid(axis="x", visible=False)
    axes[0].legend(ncols=4, loc="upper left", bbox_to_anchor=(0.35, 1.16))
    return figure


@mpl.rc_context(STYLE)
def drift_figure(report: Section) -> Figure:
    """Observation and state exactness by turn, and reading back what was written."""
    figure, axes = _panels(3, WIDTH, 3.3)
    by_mode = report["drift"]["by_mode"]
    for mode, colour in MODE_COLOURS.items():
        _line(axes[0], by_mode[mode]["teacher_forced"], "turn", colour, f"{mode}, truth fed back", dashed=True)
        _line(axes[0], by_mode[mode]["free_running"], "turn", colour, f"{mode}, own fed back")
        states = [{"turn": row["turn"], **row["state"]} for row in by_mode[mode]["free_running"] if row["state"]["n"]]
        _line(axes[1], states, "turn", colour, mode)
        _line(axes[2], report["drift"]["write_then_read"][mode], "horizon", colour, mode)
    titles = ("Observation exact", "State exact, own fed back", "What was written is read back")
    for axis, title, label in zip(axes, titles, ("turn", "turn", "turns between write and read"), strict=True):
        axis.set(title=title, xlabel=label, ylim=(0, 1.02))
        axis.legend(loc="lower left", fontsize=8)
    return figure


@mpl.rc_context(STYLE)
def reliability_figure(report: Section) -> Figure:
    """Survival of episodes by turn, and the risk of the answers kept when the least sure ones are left out."""
    figure, axes = _panels(2, WIDTH, 3.3)
    reliability = report["reliability"]
    for mode, colour in MODE_COLOURS.items():
        _line(axes[0], reliability["survival"][mode]["survival"], "turn", colour, mode)
        for confidence, dashed in (("answer_probability", False), ("agreement", True)):
            curve = reliability["calibration"][mode][confidence]["risk"]
            _line(axes[1], curve, "coverage", colour, f"{mode}, {confidence.replace('_', ' ')}", dashed)
    axes[0].set(title="Episodes without a wrong answer so far", xlabel="turn", ylim=(0, 1.02))
    axes[1].set(title="Wrong answers among those kept", xlabel="share kept, surest first", xlim=(0, 1.02))
    axes[1].set_ylim(bottom=0)
    for axis, place in zip(axes, ("lower left", "upper left"), strict=True):
        if axis.lines:
            axis.legend(loc=place, fontsize=8)
    return figure


@mpl.rc_context(STYLE)
def agent_figure(report: Section, per_seed: Sequence[Section] = ()) -> Figure:
    """Real success by arm, sampled and greedy, and sampled at lower temperatures where that was measured."""
    figure, axes = _panels(1, WIDTH, 4.0)
    rows = list(reversed(_agent_rows(report, per_seed)))
    for y, (_, scores) in enumerate(rows):
        for decoding, (found, seeds) in scores.items():
            shift = 0 if len(scores) == 1 else SHIFT[decoding]
            _range(axes[0], y + shift, found, seeds, DECODING_COLOURS[decoding])
    for decoding, colour in DECODING_COLOURS.items():
        axes[0].plot([], [], "o", color=colour, label=decoding)
    axes[0].set_yticks(range(len(rows)), [name for name, _ in rows])
    axes[0].set(xlim=(0, 1), title="Tasks solved in the real shell")
    axes[0].grid(axis="y", visible=False)
    axes[0].legend(loc="lower right")
    return figure


@mpl.rc_context(STYLE)
def kinds_figure(report: Section) -> Figure:
    """Heat table of real success per task kind and arm."""
    figure, axes = _panels(2, WIDTH, 3.6)
    for axis, decoding in zip(axes, ("sampled", "greedy"), strict=True):
        kinds = sorted({k for arm in ARMS for k in report["agent"][arm]["by_kind"][decoding]})
        cells = [[_value(report["agent"][arm]["by_kind"][decoding].get(kind)) for kind in kinds] for arm in ARMS]
        axis.imshow(cells, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
        _annotate(axis, cells)
        axis.set_xticks(range(len(kinds)), kinds, rotation=35, ha="right")
        axis.set_yticks(range(len(ARMS)), [NAMES[arm] for arm in ARMS])
        axis.set_title(f"Solved per task kind, {decoding}")
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
    return figure


@mpl.rc_context(STYLE)
def cost_figure(report: Section) -> Figure:
    """Real steps behind each arm, with and without the world model's data, against its success."""
    figure, axes = _panels(1, WIDTH, 3.4)
    for arm, account in report["accounts"]["arms"].items():
        found = report["agent"][arm]["real_success_sampled"]
        own = account["demonstration_steps"] + account["practice_steps"]
        if found["value"] is not None and own > 0:
            _cost(axes[0], own, account["steps"], found, NAMES[arm])
    axes[0].set_xscale("log")
    axes[0].set_xlim(right=axes[0].get_xlim()[1] * 3)
    axes[0].set(title="Real steps and success (sampled)", xlabel="real steps, log scale", ylim=(0, 1))
    axes[0].text(
        0.99,
        0.04,
        "filled: the arm's own steps   hollow: with the world model's data",
        transform=axes[0].transAxes,
        ha="right",
        color=GREY,
        fontsize=8.5,
    )
    return figure


@mpl.rc_context(STYLE)
def seconds_figure(report: Section) -> Figure:
    """Wall seconds of each stage, process start-up apart."""
    stages = {name: spent for name, spent in report["seconds"].items() if name != "total"}
    figure, axes = _panels(1, WIDTH, 0.9 + 0.22 * len(stages))
    names = list(reversed(stages))
    start_up = [report["start_up_seconds"][name] for name in names]
    axes[0].barh(
        names,
        [stages[name] - s for name, s in zip(names, start_up, strict=True)],
        left=start_up,
        color=BLUE,
        label="work",
    )
    axes[0].barh(names, start_up, color=PALE, label="process start-up")
    axes[0].set(title="Wall seconds per stage", xlabel="seconds")
    axes[0].grid(axis="y", visible=False)
    axes[0].legend(loc="lower right")
    return figure


def svg(figure: Figure, name: str) -> str:
    """Inline SVG; `name` keeps the ids of several figures on one page apart."""
    text = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", drawn[drawn.index("<svg") :])


def save_png(figure: Figure, path: Path) -> None:
    with mpl.rc_context(STYLE):
        figure.savefig(path, dpi=150, metadata={"Software": None})


def _panels(columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _agent_rows(report: Section, per_seed: Sequence[Section]) -> list[tuple[str, dict[str, Any]]]:
    """Name and, per decoding, the estimate with each seed's value; an arm's lower temperatures follow it."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for arm in ARMS:
        keys = {decoding: f"real_success_{decoding}" for decoding in DECODING_COLOURS}
        whole, runs = report["agent"][arm], [run["agent"][arm] for run in per_seed]
        rows.append((NAMES[arm], {d: (whole[key], [_value(run[key]) for run in runs]) for d, key in keys.items()}))
        for t, found in whole["colder"].items():
            rows.append((f"{NAMES[arm]}, T {t}", {"sampled": (found, [_value(run["colder"].get(t)) for run in runs])}))
    return rows


def _score(report: Section, stage: str, key: str) -> Section:
    if stage != "copy":
        return report["fidelity"][stage][key]
    baseline = report["fidelity"]["copy_baseline"]
    return baseline["changed_f1"] if key == "changed_f1" else baseline if key == "greedy_em" else {"value": None}


def _value(found: Section | None) -> float:
    return float("nan") if not found or found["value"] is None else found["value"]


def _reach(found: Section) -> list[list[float]]:
    return [[found["value"] - found["low"]], [found["high"] - found["value"]]]


def _bar(axis: Axes, x: float, found: Section, colour: str, label: str | None) -> None:
    if found["value"] is None:
        return
    axis.bar(x, found["value"], 0.18, color=colour, label=label)
    axis.errorbar(x, found["value"], _reach(found), color=INK, lw=1.1, capsize=2.5)
    axis.text(x, found["high"] + 0.015, f"{found['value']:.2f}", ha="center", fontsize=8.5, color=INK)


def _dots(axis: Axes, x: float, found: Sequence[Section]) -> None:
    values = [one["value"] for one in found if one["value"] is not None]
    axis.plot([x] * len(values), values, ".", color=INK, markersize=3.5, zorder=4)


def _line(axis: Axes, rows: Sequence[Section], along: str, colour: str, label: str, dashed: bool = False) -> None:
    if not rows:
        return
    x, value, low, high = ([row[key] for row in rows] for key in (along, "value", "low", "high"))
    axis.fill_between(x, low, high, color=colour, alpha=0.06 if dashed else 0.15, lw=0)
    axis.plot(
        x, value, "--" if dashed else "-", marker=None if dashed else "o", ms=3, lw=1.4, color=colour, label=label
    )


def _range(axis: Axes, y: float, found: Section, seeds: Sequence[float], colour: str) -> None:
    """An estimate with its interval and each seed's value; the number stands right of them all."""
    axis.plot(seeds, [y] * len(seeds), ".", color=INK, markersize=4, zorder=4)
    if found["value"] is None:
        return
    axis.errorbar(found["value"], y, xerr=_reach(found), fmt="o", ms=6, color=colour, lw=1.6, capsize=0)
    end = max(found["high"], *(seed for seed in seeds if not math.isnan(seed)), 0.0)
    axis.text(end + 0.008, y, f"{found['value']:.2f}", va="center", fontsize=8.5, color=INK)


def _annotate(axis: Axes, cells: Sequence[Sequence[float]]) -> None:
    for y, line in enumerate(cells):
        for x, value in enumerate(line):
            shown = "" if value != value else f"{value:.2f}"
            axis.text(x, y, shown, ha="center", va="center", fontsize=8.5, color="white" if value > 0.6 else INK)


def _cost(axis: Axes, own: float, whole: float, found: Section, name: str) -> None:
    axis.plot([own, whole], [found["value"]] * 2, color=PALE, lw=1.5, zorder=1)
    axis.errorbar(own, found["value"], _reach(found), fmt="o", ms=6, color=BLUE, lw=1.2)
    axis.plot(whole, found["value"], "o", ms=6, mfc="white", mec=BLUE)
    style = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axis.annotate(name, (whole, found["value"]), (8, -3), textcoords="offset points", fontsize=8.5, bbox=style)
