"""The picture of several sizes: fidelity and success against parameters, with 95 % intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agentworld_dag.evaluation.plots import BLUE, GREEN, GREY, ORANGE, STYLE, WIDTH

Rows = Sequence[Mapping[str, Any]]
PANELS = {
    "World model, held-out turns": {
        "CPT, exact": GREY,
        "SFT, exact": BLUE,
        "RL, exact": GREEN,
        "own answers fed back, exact": ORANGE,
    },
    "Agent, tasks in the real shell": {
        "base, solved": GREY,
        "RL in simulation, solved": BLUE,
        "RL in the real shell, solved": GREEN,
    },
}
APART = 0.012
"""Lines of one panel are moved sideways by this share of their place, or their intervals would cover each other."""


@mpl.rc_context(STYLE)
def sizes_figure(parameters: Sequence[int], scores: Mapping[str, Rows]) -> Figure:
    """`scores`: by measure, an estimate for each number of parameters."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    for axis, (title, colours) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for number, (name, colour) in enumerate(colours.items()):
            shift = 1 + APART * (number - (len(colours) - 1) / 2)
            _line(axis, [count * shift for count in parameters], scores[name], colour, name)
        axis.set_xscale("log")
        axis.set_xticks(parameters, [f"{count / 1e6:.2f} M" for count in parameters])
        axis.minorticks_off()
        axis.set(title=title, xlabel="parameters, log scale", ylim=(0, 1.02))
        axis.set_xlim(parameters[0] * 0.85, parameters[-1] / 0.85)
        axis.legend(loc="lower center", fontsize=8)
    return figure


def _line(axis: Axes, places: Sequence[float], rows: Rows, colour: str, name: str) -> None:
    values = [row["value"] for row in rows]
    reach = [[row["value"] - row["low"] for row in rows], [row["high"] - row["value"] for row in rows]]
    axis.errorbar(places, values, reach, fmt="-o", ms=4, lw=1.4, color=colour, label=name.split(",")[0])
