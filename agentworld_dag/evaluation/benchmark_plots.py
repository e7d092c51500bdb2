"""The leaderboard as a picture."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from agentworld_dag.evaluation.plots import BLUE, GREY, INK, STYLE, WIDTH
from agentworld_dag.evaluation.tables import NAMES

Section = Mapping[str, Any]


@mpl.rc_context(STYLE)
def leaderboard_figure(board: Section) -> Figure:
    """Strict scores with their intervals, best on top."""
    rows = list(reversed(board["entries"]))
    figure = Figure(figsize=(WIDTH, 0.8 + 0.38 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for y, row in enumerate(rows):
        found = row["score"]
        axis.barh(y, found["value"], height=0.6, color=GREY if row["model"] == "copy" else BLUE, alpha=0.75)
        axis.plot([found["low"], found["high"]], [y, y], color=INK, linewidth=1.4)
        axis.text(found["high"] + 1, y, f"{found['value']:.1f}", va="center", color=INK)
    axis.set_yticks(range(len(rows)), [f"{NAMES.get(r['model'], r['model'])}, {r['mode']}" for r in rows])
    axis.set(xlim=(0, 108), title=f"Held-out benchmark, strict score, judge: {board['judge']}")
    axis.grid(axis="y", visible=False)
    return figure
