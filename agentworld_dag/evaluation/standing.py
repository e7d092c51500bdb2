"""Who stands where on the held-out benchmark: strict scores and rule checks, ranked, with intervals.

Pure functions over the frames `judged` and `checks` of `measurements`, of one
seed or of several.
"""

from functools import partial
from typing import Any

import polars as pl

from agentworld_dag.benchmark.checks import AXES
from agentworld_dag.benchmark.strict import FULL
from agentworld_dag.benchmark.verifying import HORIZONS
from agentworld_dag.evaluation.intervals import Resampling, as_json, difference, mean, measured
from agentworld_dag.evaluation.measurements import by_trajectory

Section = dict[str, Any]


def ranked(judged: pl.DataFrame, checks: pl.DataFrame, plan: Resampling) -> list[Section]:
    """One row per model and mode, the best first; each after the first with its paired distance to the one above."""
    means = judged.group_by("model", "mode").agg(pl.col("score").mean())
    rows: list[Section] = []
    for model, mode, _ in means.sort("score", "model", "mode", descending=[True, False, False]).iter_rows():
        mine = judged.filter(model=model, mode=mode)
        row = {"model": model, "mode": mode} | _scores(mine, plan)
        row["checks"] = by_axis(checks.filter(checkpoint=model, mode=mode), plan)
        if rows:
            above = judged.filter(model=rows[-1]["model"], mode=rows[-1]["mode"])
            row["below"] = as_json(difference(by_trajectory(mine, "score"), by_trajectory(above, "score"), plan))
        rows.append(row)
    return rows


def passed(checks: pl.DataFrame, plan: Resampling) -> Section:
    """Rule checks passed, by model and mode: per axis, and for consistency per distance."""
    found: Section = {}
    for (model, mode), mine in checks.group_by("checkpoint", "mode", maintain_order=True):
        found[f"{model} {mode}"] = by_axis(mine, plan) | by_horizon(mine, plan)
    return found


def by_axis(checks: pl.DataFrame, plan: Resampling) -> Section:
    return {axis: _share(checks.filter(axis=axis), plan) for axis in AXES}


def by_horizon(checks: pl.DataFrame, plan: Resampling) -> Section:
    consistency = checks.filter(axis="consistency")
    return {
        f"distance {name}": _share(consistency.filter(pl.col("horizon").is_between(turns.start, turns.stop - 1)), plan)
        for name, turns in HORIZONS.items()
    }


def _scores(judged: pl.DataFrame, plan: Resampling) -> Section:
    return {
        "score": as_json(mean(by_trajectory(judged, "score"), plan, FULL)),
        "clean": as_json(measured(partial(mean, full=FULL), by_trajectory(judged.filter("clean"), "score"), plan=plan)),
        "failed": int(judged["failed"].sum()),
    }


def _share(checks: pl.DataFrame, plan: Resampling) -> Section:
    return as_json(measured(mean, by_trajectory(checks, "correct"), plan=plan))
