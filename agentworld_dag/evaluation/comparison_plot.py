"""The picture of a comparison: the share of each side, set by set, with 95 % intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from agentworld_dag.evaluation.plots import BLUE, GREY, INK, PALE, STYLE, save_png

WIDTH = 0.7
"""Of all bars of a set."""
COLOURS = (BLUE, PALE, GREY)
TOP = 1.12
"""Leaves room for the number above a bar of 1."""


def draw_comparison(
    found: Mapping[str, Mapping[str, Any]],
    path: Path,
    score: str = "fidelity",
    label: str = "exact share, one step",
) -> None:
    """`found`: by set, under `score` the shares of at most three sides."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        sides = [side for side in next(iter(found.values()))[score] if side != "difference"]
        bars_of_a_set = max(2, len(sides))
        width = WIDTH / bars_of_a_set
        for number, (side, colour) in enumerate(zip(sides, COLOURS, strict=False)):
            shown = [found[name][score][side] for name in found]
            places = [place + (number - (bars_of_a_set - 1) / 2) * width for place in range(len(found))]
            values = [each["value"] for each in shown]
            reach = [
                [each["value"] - each["low"] for each in shown],
                [each["high"] - each["value"] for each in shown],
            ]
            bars = axes.bar(places, values, width, yerr=reach, color=colour, ecolor=INK, capsize=3, label=side)
            axes.bar_label(bars, fmt="%.2f", padding=2)
        axes.set_xticks(range(len(found)), [name.replace("_", " ") for name in found])
        axes.set_ylabel(label)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_ylim(0, TOP)
        axes.grid(visible=False, axis="x")
        figure.legend(loc="outside upper left", ncols=len(sides))
        save_png(figure, path)
