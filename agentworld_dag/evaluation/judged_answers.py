"""Five-dimension judgements of what each model answered on the held-out benchmark.

    python -m agentworld_dag.evaluation.judged_answers --config infra/presets/tiny.yaml --seed 0 \
        --input heldout_benchmark=DIR --input cpt_answers=DIR --input sft_answers=DIR --input rl_answers=DIR \
        --input endpoint_answers=DIR --out DIR

The preset names one judge for all: an LLM behind an endpoint, or, without one,
the embedded rules. A folder per model and mode holds what `agentworld bench
score` and `compare` read; `judged.parquet` gathers the strict totals and tells
which samples training has not shown (`clean`). Greedy answers only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.benchmark.cost import tokens_below
from agentworld_dag.benchmark.heldout import AUDIT, DATA
from agentworld_dag.benchmark.inference import PREDICTIONS
from agentworld_dag.benchmark.judged import clean_samples, read_judged, sound
from agentworld_dag.benchmark.judging import RULES, judge_with_model, judge_with_rules, slug
from agentworld_dag.benchmark.lines import read_lines
from agentworld_dag.benchmark.results import key_of
from agentworld_dag.benchmark.samples import BenchSample, Key, placed, read_benchmark
from agentworld_dag.benchmark.settings import ChatEndpoint
from agentworld_dag.benchmark.strict import total, usable
from agentworld_dag.errors import StoreError
from agentworld_dag.evaluation.endpoint_answers import opened_judge
from agentworld_dag.evaluation.measurements import CHECKPOINTS, GREEDY
from agentworld_dag.stage import Stage, run_stage

ENDPOINT = "endpoint"
ANSWERED = ("checkpoint", "mode", "decoding", "trajectory_id", "turn_index", "answer")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One model in one mode."""

    model: str
    mode: str
    """`endpoint` for what is no checkpoint of ours."""
    predictions: Mapping[Key, Row]

    @property
    def folder(self) -> str:
        return f"{slug(self.model)}-{self.mode}"


def work(stage: Stage) -> dict[str, Any]:
    settings = stage.preset.benchmark
    samples = read_benchmark(stage.inputs["heldout_benchmark"] / DATA).samples[: settings.judged_samples]
    rows = [row for entry in entries(stage, samples) for row in _judged(stage, entry, samples, settings.judge)]
    stage.meter.count_calls(*tokens_below(stage.out))
    clean = {(sample[1], int(sample[2]) - 1) for sample in clean_samples(stage.inputs["heldout_benchmark"] / AUDIT)}
    frame = pl.DataFrame([row | {"clean": (row["trajectory_id"], row["turn_index"]) in clean} for row in rows])
    frame.write_parquet(stage.out / "judged.parquet")
    means = frame.group_by("model", "mode", maintain_order=True).agg(pl.col("score").mean(), pl.col("lost").mean())
    return {
        "samples": len(samples),
        "judged": len(frame),
        "failed": int(frame["failed"].sum()),
        "most_lost_share": means["lost"].max(),
        "judge": frame["judge"][0],
        "score": {f"{model}_{mode}": score for model, mode, score, _ in means.iter_rows()},
    }


def entries(stage: Stage, samples: Sequence[BenchSample]) -> Iterator[Entry]:
    """Every model that answered, with what it answered on each sample."""
    for checkpoint in CHECKPOINTS:
        rows = _answers(stage.inputs[f"{checkpoint}_answers"] / "answers.parquet").filter(decoding=GREEDY)
        for (model, mode), answered in rows.group_by("checkpoint", "mode", maintain_order=True):
            yield Entry(str(model), str(mode), _predictions(answered, samples))
    for asked in stage.preset.benchmark.endpoints:
        lines, _ = read_lines(stage.inputs["endpoint_answers"] / slug(asked.model) / DATA / PREDICTIONS, "predictions")
        yield Entry(asked.model, ENDPOINT, {key_of(line.fields): line.fields for line in lines})


def _answers(path: Path) -> pl.DataFrame:
    """With the texts, which `measurements.read` leaves out. Raises StoreError."""
    try:
        return pl.read_parquet(path, columns=list(ANSWERED))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"cannot use {path}: {error}; delete its folder and run the stage that makes it again"
        ) from error


def _predictions(rows: pl.DataFrame, samples: Iterable[BenchSample]) -> dict[Key, Row]:
    said = {(row["trajectory_id"], row["turn_index"] + 1): row["answer"] for row in rows.iter_rows(named=True)}
    return {sample.key: _prediction(sample.key, said[sample.key[1:]]) for sample in samples}


def _prediction(key: Key, answer: str | None) -> Row:
    if answer is None:
        return placed(key) | {"gen": "", "failed": 1.0, "error_message": "an answer that cannot be taken apart"}
    return placed(key) | {"gen": answer, "failed": 0.0}


def _judged(
    stage: Stage, entry: Entry, samples: Sequence[BenchSample], judge: ChatEndpoint | None
) -> Iterator[dict[str, Any]]:
    path = _judge(stage.out / entry.folder, entry.predictions, samples, judge)
    for row in sound(read_judged(path)).rows:
        yield {
            "model": entry.model,
            "mode": entry.mode,
            "judge": judge.model if judge else RULES,
            "trajectory_id": row.fields["id"],
            "turn_index": row.fields["turn_idx"] - 1,
            "score": total(row),
            "failed": not usable(row),
            "lost": not usable(row) and (entry.mode == ENDPOINT or row.fields.get("extracted_output") is not None),
        }


def _judge(
    out: Path, predictions: Mapping[Key, Row], samples: Sequence[BenchSample], judge: ChatEndpoint | None
) -> Path:
    endpoint = opened_judge(judge)
    if endpoint is None:
        return judge_with_rules(samples, predictions, out)
    return judge_with_model(samples, predictions, endpoint, out)


if __name__ == "__main__":
    run_stage(work)
