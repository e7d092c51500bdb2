"""What `agentworld bench build`, `audit` and `run` do; `parser` says how they are called.

Imports wait until a command needs them: `agentworld --help` is quick.
"""

import argparse
import json
import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentworld_dag.config import check_seed
from agentworld_dag.errors import ConfigError, EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentworld_dag.benchmark.cost import Prices
    from agentworld_dag.benchmark.local import LocalModel
    from agentworld_dag.benchmark.prompts import JudgePrompts
    from agentworld_dag.benchmark.samples import BenchSample, Key
    from agentworld_dag.endpoints.client import Endpoint
    from agentworld_dag.evaluation.intervals import Resampling

log = logging.getLogger(__name__)
SHOWN_PROBLEMS = 5


def build(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.building import build_benchmark
    from agentworld_dag.trajectories.parquet import read_trajectories

    trajectories = read_trajectories(options.trajectories)
    with _writing(options.out):
        made = build_benchmark(trajectories, options.out, check_seed(options.seed))
    sys.stdout.write("".join(f"{domain}: {count} samples in {options.out}\n" for domain, count in made.items()))


def audit(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.building import training_text
    from agentworld_dag.benchmark.contamination import audit_rows, exposures
    from agentworld_dag.benchmark.samples import read_benchmark
    from agentworld_dag.trajectories.parquet import read_trajectories

    benchmark = read_benchmark(options.data)
    tell(benchmark.problems)
    training = (training_text(trajectory) for path in options.training for trajectory in read_trajectories(path))
    rows = audit_rows(exposures(benchmark.samples, training))
    with _writing(options.out):
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    clean, known = sum(row["clean"] for row in rows), sum(row["id_seen"] for row in rows)
    sys.stdout.write(f"{clean} of {len(rows)} samples clean, {known} with an id seen in training: {options.out}\n")


@contextmanager
def _writing(path: Path) -> "Iterator[None]":
    try:
        yield
    except OSError as error:
        raise EvaluationError(f"cannot write {path}: {error.strerror}; name another --out") from error


def run(options: argparse.Namespace) -> None:
    """What would make a score impossible is refused before the first call."""
    from agentworld_dag.benchmark.cost import totals
    from agentworld_dag.benchmark.inference import PREDICTIONS
    from agentworld_dag.benchmark.judging import RULES, judge_with_model, judge_with_rules, judged_file
    from agentworld_dag.benchmark.samples import read_benchmark
    from agentworld_dag.benchmark.score_command import score_strictly

    plan_of(options)
    budget_of(options)
    model, judge, (prices, judge_prices) = _world_model(options), _run_judge(options), _prices(options)
    benchmark = read_benchmark(options.data)
    tell(benchmark.problems)
    _tell_empty(benchmark.samples)
    prompts = _prompts(options, benchmark.samples)
    judged = judged_file(options.out, prompts.judge(judge.model) if judge else RULES)
    try:
        predictions = _predictions(benchmark.samples, model, options.out, prices)
        if judge is None:
            judge_with_rules(benchmark.samples, predictions, options.out)
        else:
            judge_with_model(benchmark.samples, predictions, judge, options.out, prompts, judge_prices)
        log.info("judged by %s: %s", judge.model if judge else "the embedded rules, no language model", judged)
        score_strictly(judged, options)
    finally:
        for path, what in ((options.out / PREDICTIONS, "predictions"), (judged, "judgements")):
            if path.is_file():
                log.info("%s", totals(path, what))


def _run_judge(options: argparse.Namespace) -> "Endpoint | None":
    """Official prompts ask for an answer in a form of their own, without a schema."""
    judge = judge_of(options)
    if options.judge_prompts is None:
        return judge
    if judge is None:
        raise ConfigError("--judge-prompts needs --judge-url and --judge: the embedded rule judge reads no prompt")
    return replace(judge, json_schema=None)


def _prompts(options: argparse.Namespace, samples: "Sequence[BenchSample]") -> "JudgePrompts":
    from agentworld_dag.benchmark.official_prompts import official_prompts
    from agentworld_dag.benchmark.prompts import OWN

    if options.judge_prompts is None:
        return OWN
    found = official_prompts(options.judge_prompts, {sample.domain for sample in samples})
    tell(found.warnings)
    return found


def _prices(options: argparse.Namespace) -> "tuple[Prices | None, Prices | None]":
    """Of the model, and of the judge."""
    of_judge = _pair("--judge-price", options.judge_price_in, options.judge_price_out)
    if of_judge and options.judge is None:
        raise ConfigError("--judge-price-in needs --judge: the embedded rule judge costs nothing")
    of_model = _pair("--price", options.price_in, options.price_out)
    if of_model and options.checkpoint:
        raise ConfigError("--price-in goes with --model-url: a checkpoint that runs here costs nothing")
    return of_model, of_judge


def _pair(flag: str, tokens_in: float | None, tokens_out: float | None) -> "Prices | None":
    from agentworld_dag.benchmark.cost import Prices

    if tokens_in is None and tokens_out is None:
        return None
    if tokens_in is None or tokens_out is None:
        raise ConfigError(f"{flag}-in and {flag}-out belong together: give both or neither")
    return Prices(tokens_in, tokens_out)


def _tell_empty(samples: "Sequence[BenchSample]") -> None:
    from agentworld_dag.benchmark.extraction import observation

    if count := sum(not observation(sample.truth) for sample in samples):
        log.warning(
            "%d samples have an empty true observation: a marker or a tag with nothing behind it is the right answer "
            "there; a reply without any text counts as a failed call, as everywhere",
            count,
        )


def _world_model(options: argparse.Namespace) -> "Endpoint | LocalModel":
    from agentworld_dag.benchmark.local import LocalModel

    if bool(options.model_url) != bool(options.model) or bool(options.model_url) == bool(options.checkpoint):
        raise ConfigError("name one world model: --model-url and --model together, or --checkpoint")
    if options.checkpoint is None:
        return _endpoint(options, options.model_url, options.model, options.temperature, "AGENTWORLD_MODEL_API_KEY")
    return LocalModel(
        options.checkpoint.resolve(),
        options.shown,
        options.temperature,
        options.max_tokens,
        not options.no_reasoning,
        check_seed(options.seed),
    )


def _predictions(
    samples: "Sequence[BenchSample]", model: "Endpoint | LocalModel", out: Path, prices: "Prices | None"
) -> "Mapping[Key, Mapping[str, Any]]":
    from agentworld_dag.benchmark.inference import predict_samples
    from agentworld_dag.benchmark.local import predict_locally
    from agentworld_dag.endpoints.client import Endpoint

    if isinstance(model, Endpoint):
        return predict_samples(samples, model, out, prices)
    return predict_locally(samples, model, out)


def judge_of(options: argparse.Namespace) -> "Endpoint | None":
    """The judge behind an endpoint that was named; None stands for the embedded rules. Raises ConfigError on a half."""
    from agentworld_dag.benchmark.rubric import SCHEMA

    if bool(options.judge_url) != bool(options.judge):
        raise ConfigError("--judge-url and --judge belong together: give both, or neither for the embedded rule judge")
    if options.judge is None:
        return None
    found = _endpoint(options, options.judge_url, options.judge, 0.0, "AGENTWORLD_JUDGE_API_KEY")
    return replace(found, json_schema=SCHEMA)


def _endpoint(options: argparse.Namespace, url: str, model: str, temperature: float, key: str) -> "Endpoint":
    from agentworld_dag.endpoints.client import Endpoint

    return Endpoint(
        url=url.rstrip("/"),
        model=model,
        temperature=temperature,
        max_tokens=options.max_tokens,
        timeout_s=options.timeout_s,
        most_open=options.at_once,
        api_key=os.environ.get(key, ""),
    )


def plan_of(options: argparse.Namespace) -> "Resampling":
    """Raises ConfigError."""
    from agentworld_dag.evaluation.intervals import Resampling

    if options.bootstrap_samples < 1:
        raise ConfigError(f"--bootstrap-samples {options.bootstrap_samples}: expected 1 or more")
    return Resampling(options.bootstrap_samples, check_seed(options.seed))


def budget_of(options: argparse.Namespace) -> float:
    """Raises ConfigError."""
    if not 0.0 <= options.error_budget <= 1.0:
        raise ConfigError(f"--error-budget {options.error_budget:g}: expected a share of rows, from 0 to 1")
    return options.error_budget


def tell(problems: tuple[str, ...]) -> None:
    """Warns of the first few."""
    for problem in problems[:SHOWN_PROBLEMS]:
        log.warning("%s", problem)
    if len(problems) > SHOWN_PROBLEMS:
        log.warning("and %d more", len(problems) - SHOWN_PROBLEMS)
