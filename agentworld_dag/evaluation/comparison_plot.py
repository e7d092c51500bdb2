"""The picture of a comparison: the exact share of either side, set by set, with 95 % intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from agentworld_dag.evaluation.plots import BLUE, GREY, STYLE, save_png

WIDTH = 0.35


def draw_comparison(found: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """`found`: by set, the shares of the sides under `fidelity`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        sides = [side for side in next(iter(found.values()))["fidelity"] if side != "difference"]
        for number, (side, colour) in enumerate(zip(sides, (BLUE, GREY), strict=False)):
            shown = [found[name]["fidelity"][side] for name in found]
            places = [place + (number - 0.5) * WIDTH for place in range(len(found))]
            values = [each["value"] for each in shown]
            reach = [
                [each["value"] - each["low"] for each in shown],
                [each["high"] - each["value"] for each in shown],
            ]
            axes.bar(places, values, WIDTH, yerr=reach, color=colour, capsize=3, label=side)
        axes.set_xticks(range(len(found)), [name.replace("_", " ") for name in found])
        axes.set_ylabel("exact share, one step")
        axes.set_ylim(0, 1)
        axes.legend()
        save_png(figure, path)
