"""What the simulator makes of actions that fail in reality, and of those that do not (paper.md section 10, metric 7).

An answer that cannot be used counts against the simulator on either side: it
neither reports the error of an action that fails, nor lets one that succeeds
succeed.
"""

from typing import Any

import polars as pl

from agentworld_dag.evaluation.intervals import (
    Estimate,
    Resampling,
    Sample,
    as_json,
    difference,
    mean,
    measured,
    scored,
)

RECORDED = ("recorded_ok", "recorded_error")
PLANTED = ("malformed", "illegal", "empty")
GROUPS = {"recorded": RECORDED, "planted errors": ("malformed", "illegal"), **{name: (name,) for name in PLANTED}}
"""Recorded turns keep the natural share of errors. An empty action is no error: false alarms there must not make up
for errors that pass elsewhere."""


def error_path_section(rows: pl.DataFrame, plan: Resampling) -> dict[str, Any]:
    """The numbers of one mode, per group of actions."""
    return {name: _group(in_group(rows, name), plan) for name in GROUPS}


def in_group(rows: pl.DataFrame, group: str) -> pl.DataFrame:
    return rows.filter(pl.col("action_class").is_in(GROUPS[group]))


def reported(rows: pl.DataFrame) -> Sample:
    """P(sim errors | real errors): 1 where the simulator fails what failed in reality."""
    return _scored(rows.filter("real_error"), "sim_error")


def false_alarms(rows: pl.DataFrame) -> Sample:
    """P(sim errors | real ok): 1 where the simulator fails what succeeded, or gives no usable answer."""
    alarms = rows.filter(~pl.col("real_error")).with_columns(alarm=pl.col("sim_error") | pl.col("failed"))
    return _scored(alarms.with_columns(failed=pl.lit(False)), "alarm")


def right_kind(rows: pl.DataFrame) -> Sample:
    """P(same kind of error | real errors)."""
    failing = rows.filter("real_error")
    return _scored(failing.with_columns(same=pl.col("sim_kind") == pl.col("real_kind")), "same")


def sim_ok(rows: pl.DataFrame) -> Sample:
    return _scored(rows.with_columns(ok=~pl.col("sim_error")), "ok")


def real_ok(rows: pl.DataFrame) -> Sample:
    """What the real shell let succeed; nothing fails here of itself."""
    return _scored(rows.with_columns(ok=~pl.col("real_error"), failed=pl.lit(False)), "ok")


def optimism(rows: pl.DataFrame, plan: Resampling) -> Estimate | None:
    """Optimism bias B = P(sim ok) - P(real ok), paired: above 0 the simulator lets too much succeed."""
    return measured(difference, sim_ok(rows), real_ok(rows), plan=plan)


def _group(rows: pl.DataFrame, plan: Resampling) -> dict[str, Any]:
    return {
        "reported": as_json(measured(mean, reported(rows), plan=plan)),
        "false_alarms": as_json(measured(mean, false_alarms(rows), plan=plan)),
        "right_kind": as_json(measured(mean, right_kind(rows), plan=plan)),
        "optimism": as_json(optimism(rows, plan)),
        "exact": as_json(measured(mean, _scored(rows, "exact"), plan=plan)),
    }


def _scored(rows: pl.DataFrame, column: str) -> Sample:
    return scored(rows, column, "trajectory_id")
