"""Small pictures for the Dagster UI, drawn as SVG: a few hundred bytes in the event log instead of a PNG."""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import dagster as dg

from agentworld_dag.artifacts import METRICS
from agentworld_dag.assets.recipe import Artifact

WIDTH, HEIGHT, MARGIN = 480, 140, 24
MAX_POINTS = 200
ROW, NAMED, PER_POINT = 22, 150, 2.8
"""Of a bar chart: height of a row, room for names, pixels per point."""


def training_curve(artifact: Artifact, metric: str) -> dg.MetadataValue:
    """How a metric moved while the stage ran, from its `metrics.jsonl`."""
    points = read_curve(artifact, metric)
    if len(points) < 2:
        return dg.MetadataValue.md(f"no curve: `{metric}` was logged {len(points)} times")
    return _shown(curve_svg(points, metric), f"{metric} by step")


def bar_chart(entries: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """A leaderboard's scores, 0 to 100, with their intervals."""
    return _shown(bars_svg(entries), "strict score by model")


def read_curve(artifact: Artifact, metric: str) -> list[tuple[int, float]]:
    """(step, value) in order; a step that was repeated after a resume counts once, with its last value."""
    lines = [json.loads(line) for line in artifact.text(METRICS).splitlines()]
    found = {line["step"]: line["metrics"][metric] for line in lines if metric in line["metrics"]}
    return sorted(found.items())


def curve_svg(points: Sequence[tuple[int, float]], label: str) -> str:
    """A line chart with its first, last, lowest and highest value written out."""
    shown = points[:: max(1, len(points) // MAX_POINTS)]
    steps, values = [step for step, _ in shown], [value for _, value in shown]
    low, high = min(values), max(values)
    across = [_scale(step, steps[0], steps[-1], WIDTH) for step in steps]
    down = [HEIGHT - _scale(value, low, high, HEIGHT) for value in values]
    path = " ".join(f"{x:.0f},{y:.0f}" for x, y in zip(across, down, strict=True))
    caption = f"{label}: {values[0]:.3g} to {values[-1]:.3g} over {steps[-1]} steps (range {low:.3g} to {high:.3g})"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<polyline points="{path}" fill="none" stroke="#2b6cb0" stroke-width="1.5"/>'
        f'<text x="{MARGIN}" y="14" font-size="11" font-family="sans-serif">{caption}</text></svg>'
    )


def bars_svg(entries: Sequence[Mapping[str, Any]]) -> str:
    """One bar a row: model, mode and score written out, the interval as a line."""
    rows = [_bar(number * ROW, entry) for number, entry in enumerate(entries)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{ROW * len(entries)}" font-size="11" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>{"".join(rows)}</svg>'
    )


def _bar(top: int, entry: Mapping[str, Any]) -> str:
    found, middle = entry["score"], top + ROW // 2
    low, high = (NAMED + found[end] * PER_POINT for end in ("low", "high"))
    return (
        f'<text x="4" y="{middle + 4}">{escape(entry["model"])}, {entry["mode"]}</text>'
        f'<rect x="{NAMED}" y="{top + 4}" width="{found["value"] * PER_POINT:.0f}" height="{ROW - 8}" fill="#9ec3e6"/>'
        f'<path d="M{low:.0f} {middle}H{high:.0f}" stroke="#1f2933"/>'
        f'<text x="{high + 6:.0f}" y="{middle + 4}">{found["value"]:.1f}</text>'
    )


def _shown(svg: str, name: str) -> dg.MetadataValue:
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{name}](data:image/svg+xml;base64,{encoded})")


def _scale(value: float, low: float, high: float, size: int) -> float:
    return MARGIN + (value - low) / ((high - low) or 1) * (size - 2 * MARGIN)
