"""Everybody who was asked on the held-out benchmark, best first, with what others published beside.

    python -m agentworld_dag.evaluation.leaderboard --config infra/presets/tiny.yaml --seed 0 \
        --input heldout_benchmark=DIR --input judged_answers=DIR --input cpt_answers=DIR --input sft_answers=DIR \
        --input rl_answers=DIR --input endpoint_answers=DIR --out DIR

Scores are strict (a failure scores the minimum), by the one judge the round's
judgements name, with 95 % intervals over trajectories. Published rows stand in
a table of their own: other samples, another judge.
"""

from dataclasses import asdict
from typing import Any

import polars as pl

from agentworld_dag.artifacts import write_json, write_text
from agentworld_dag.benchmark.heldout import CHECKS, read_suite
from agentworld_dag.benchmark.inference import PREDICTIONS
from agentworld_dag.benchmark.judging import slug
from agentworld_dag.benchmark.published import PUBLISHED, SOURCE
from agentworld_dag.benchmark.verifying import read_answers
from agentworld_dag.evaluation.benchmark_plots import leaderboard_figure
from agentworld_dag.evaluation.benchmark_tables import leaderboard_table, published_table
from agentworld_dag.evaluation.check_rows import check_rows
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.judged_answers import ENDPOINT
from agentworld_dag.evaluation.measurements import CHECKPOINTS, read
from agentworld_dag.evaluation.plots import save_png
from agentworld_dag.evaluation.standing import ranked
from agentworld_dag.evaluation.tables import to_markdown
from agentworld_dag.stage import Stage, run_stage

Section = dict[str, Any]


def work(stage: Stage) -> dict[str, Any]:
    plan = Resampling(stage.preset.evaluation.bootstrap_samples, stage.seed)
    judged = read(stage.inputs["judged_answers"] / "judged.parquet", "judged").with_columns(seed=pl.lit(stage.seed))
    board = {
        "judge": judged["judge"][0],
        "entries": ranked(judged, all_checks(stage), plan),
        "published": [asdict(row) for row in PUBLISHED],
        "source": SOURCE,
    }
    write_json(stage.out / "leaderboard.json", board)
    shown = [to_markdown(table(board)) for table in (leaderboard_table, published_table)]
    write_text(stage.out / "leaderboard.md", "\n\n".join(shown) + "\n")
    save_png(leaderboard_figure(board), stage.out / "leaderboard.png")
    return {"score": {f"{row['model']}_{row['mode']}": row["score"]["value"] for row in board["entries"]}}


def all_checks(stage: Stage) -> pl.DataFrame:
    """Every answered rule check, with the columns of `answers.checks.parquet`."""
    ours = [read(stage.inputs[f"{name}_answers"] / "checks.parquet", "checks") for name in CHECKPOINTS]
    suite = read_suite(stage.inputs["heldout_benchmark"])
    for asked in stage.preset.benchmark.endpoints:
        answers, _ = read_answers(stage.inputs["endpoint_answers"] / slug(asked.model) / CHECKS / PREDICTIONS)
        rows = check_rows(asked.model, ENDPOINT, suite.checks, answers)
        ours.append(pl.DataFrame(rows, schema=ours[0].schema))
    return pl.concat(ours, how="vertical").with_columns(seed=pl.lit(stage.seed))


if __name__ == "__main__":
    run_stage(work)
