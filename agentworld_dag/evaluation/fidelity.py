"""How well the world model predicts the real environment: every checkpoint's answers together, and drift.

    python -m agentworld_dag.evaluation.fidelity --config infra/presets/tiny.yaml --seed 0 \
        --input cpt_answers=DIR --input sft_answers=DIR --input rl_answers=DIR \
        --input world_model_rl=DIR --input trajectory_splits=DIR --out DIR

Adds the baseline that copies the last observation. Writes rows; intervals are
the report's business.
"""

from typing import Any

import polars as pl

from agentworld_dag.evaluation.answers import copied_answers, held_out_places
from agentworld_dag.evaluation.drift import measure_drift
from agentworld_dag.evaluation.measurements import CHECKPOINTS
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.parquet import read_trajectories


def work(stage: Stage) -> dict[str, Any]:
    places = held_out_places(stage)
    answered = [pl.read_parquet(stage.inputs[f"{name}_answers"] / "answers.parquet") for name in CHECKPOINTS]
    samples = pl.concat([copied_answers(places), *answered])
    samples.write_parquet(stage.out / "samples.parquet")
    held_out = read_trajectories(stage.inputs["trajectory_splits"] / "held_out.parquet")
    drift = measure_drift(stage, held_out[: stage.preset.evaluation.drift_episodes])
    return {"turns": len(places), "exact_match": _means(samples), "drift": drift}


def _means(samples: pl.DataFrame) -> dict[str, float]:
    grouped = samples.group_by("checkpoint", "mode", "decoding", maintain_order=True).agg(pl.col("exact").mean())
    return {f"{c}_{mode}_{decoding}": exact for c, mode, decoding, exact in grouped.iter_rows()}


if __name__ == "__main__":
    run_stage(work)
