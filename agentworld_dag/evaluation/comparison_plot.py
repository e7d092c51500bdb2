"""The picture of a comparison: the exact share of either side, set by set, with 95 % intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from agentworld_dag.evaluation.plots import BLUE, INK, PALE, STYLE, save_png

WIDTH = 0.35
TOP = 1.12
"""Leaves room for the number above a bar of 1."""


def draw_comparison(found: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """`found`: by set, the shares of the sides under `fidelity`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        sides = [side for side in next(iter(found.values()))["fidelity"] if side != "difference"]
        for number, (side, colour) in enumerate(zip(sides, (BLUE, PALE), strict=False)):
            shown = [found[name]["fidelity"][side] for name in found]
            places = [place + (number - 0.5) * WIDTH for place in range(len(found))]
            values = [each["value"] for each in shown]
            reach = [
                [each["value"] - each["low"] for each in shown],
                [each["high"] - each["value"] for each in shown],
            ]
            bars = axes.bar(places, values, WIDTH, yerr=reach, color=colour, ecolor=INK, capsize=3, label=side)
            axes.bar_label(bars, fmt="%.2f", padding=2)
        axes.set_xticks(range(len(found)), [name.replace("_", " ") for name in found])
        axes.set_ylabel("exact share, one step")
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_ylim(0, TOP)
        axes.grid(visible=False, axis="x")
        figure.legend(loc="outside upper left", ncols=len(sides))
        save_png(figure, path)
