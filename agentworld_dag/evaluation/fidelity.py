"""How well the world model predicts the real environment: every checkpoint's answers in one table, beside drift.

    python -m agentworld_dag.evaluation.fidelity --config infra/presets/tiny.yaml --seed 0 \
        --input cpt_answers=DIR --input sft_answers=DIR --input rl_answers=DIR --input simulator_drift=DIR --out DIR

Asks no model: it gathers what `answers` and `drift` measured. Intervals are the
round report's business.
"""

from typing import Any

import polars as pl

from agentworld_dag.evaluation.measurements import CHECKPOINTS, read
from agentworld_dag.stage import Stage, run_stage


def work(stage: Stage) -> dict[str, Any]:
    answered = [read(stage.inputs[f"{name}_answers"] / "answers.parquet", "fidelity") for name in CHECKPOINTS]
    samples = pl.concat(answered)
    samples.write_parquet(stage.out / "samples.parquet")
    checks = pl.concat([read(stage.inputs[f"{name}_answers"] / "checks.parquet", "checks") for name in CHECKPOINTS])
    checks.write_parquet(stage.out / "checks.parquet")
    drift = read(stage.inputs["simulator_drift"] / "drift.parquet", "drift")
    return {
        "exact_match": means(samples, "exact", "checkpoint", "mode", "decoding"),
        "checks_passed": means(checks, "correct", "checkpoint", "mode", "axis"),
        "drift": means(drift, "exact", "mode", "regime"),
    }


def means(rows: pl.DataFrame, metric: str, *names: str) -> dict[str, float]:
    """Mean of a metric per group, under the group's values joined."""
    grouped = rows.group_by(*names, maintain_order=True).agg(pl.col(metric).mean())
    return {"_".join(values): exact for *values, exact in grouped.iter_rows()}


if __name__ == "__main__":
    run_stage(work)
