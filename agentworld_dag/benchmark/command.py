"""What each `agentworld bench` command does; `parser` says how they are called.

Imports wait until a command needs them: `agentworld --help` is quick.
"""

import argparse
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentworld_dag.config import check_seed
from agentworld_dag.errors import ConfigError

if TYPE_CHECKING:
    from agentworld_dag.benchmark.endpoint import Endpoint
    from agentworld_dag.evaluation.intervals import Resampling

log = logging.getLogger(__name__)
SHOWN_PROBLEMS = 5


def build(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.building import build_benchmark
    from agentworld_dag.trajectories.parquet import read_trajectories

    made = build_benchmark(read_trajectories(options.trajectories), options.out, check_seed(options.seed))
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
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    clean, known = sum(row["clean"] for row in rows), sum(row["id_seen"] for row in rows)
    sys.stdout.write(f"{clean} of {len(rows)} samples clean, {known} with an id seen in training: {options.out}\n")


def run(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.judging import judge_with_model, judge_with_rules
    from agentworld_dag.benchmark.samples import read_benchmark

    judge = judge_of(options)
    benchmark = read_benchmark(options.data)
    tell(benchmark.problems)
    predictions = _predictions(benchmark.samples, options)
    if judge is None:
        judged = judge_with_rules(benchmark.samples, predictions, options.out)
    else:
        judged = judge_with_model(benchmark.samples, predictions, judge, options.out)
    log.info("judged by %s: %s", judge.model if judge else "the embedded rules, no language model", judged)
    _score_strictly(judged, None, options)


def _predictions(samples: Any, options: argparse.Namespace) -> Any:
    if bool(options.model_url) != bool(options.model) or bool(options.model_url) == bool(options.checkpoint):
        raise ConfigError("name one world model: --model-url and --model together, or --checkpoint")
    if options.checkpoint is None:
        from agentworld_dag.benchmark.inference import predict_samples

        return predict_samples(samples, _model(options), options.out)
    from agentworld_dag.benchmark.local import LocalModel, predict_locally

    model = LocalModel(
        options.checkpoint.resolve(),
        options.shown,
        options.temperature,
        options.max_tokens,
        not options.no_reasoning,
        check_seed(options.seed),
    )
    return predict_locally(samples, model, options.out)


def _model(options: argparse.Namespace) -> "Endpoint":
    return _endpoint(options, options.model_url, options.model, options.temperature, "AGENTWORLD_MODEL_API_KEY")


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
    from agentworld_dag.benchmark.endpoint import Endpoint

    return Endpoint(
        url=url.rstrip("/"),
        model=model,
        temperature=temperature,
        max_tokens=options.max_tokens,
        timeout_s=options.timeout_s,
        most_open=options.at_once,
        api_key=os.environ.get(key, ""),
    )


def score(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.judged import read_judged
    from agentworld_dag.benchmark.official import official_scores

    if options.protocol == "strict":
        _score_strictly(options.judged, options.audit, options)
        return
    if options.audit:
        raise ConfigError("--audit goes with --protocol strict: the official script knows no clean samples")
    judged = read_judged(options.judged)
    tell(judged.problems)
    _print(official_scores(judged.rows), options.json)


def _score_strictly(path: Path, audit_file: Path | None, options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.judged import clean_samples, only, read_judged, sound
    from agentworld_dag.benchmark.strict import strict_scores

    judged = sound(read_judged(path))
    tell(judged.problems)
    found = strict_scores(judged, plan_of(options), options.error_budget)
    if audit_file is not None:
        clean = only(judged, clean_samples(audit_file))
        found |= {"clean": strict_scores(clean, plan_of(options), options.error_budget)}
    _print(found, options.json)


def _print(found: dict[str, Any], as_json: bool) -> None:
    from agentworld_dag.benchmark.tables import table

    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    sys.stdout.write(table(found))
    if "clean" in found:
        sys.stdout.write(f"\nThe samples that training has not shown:\n{table(found['clean'])}")


def compare(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.judged import read_judged, sound
    from agentworld_dag.benchmark.strict import compared, refuse_above
    from agentworld_dag.benchmark.tables import cell

    first, second = (sound(read_judged(path)) for path in (options.first, options.second))
    for side in (first, second):
        tell(side.problems)
        refuse_above(side, options.error_budget)
    found = compared(first, second, plan_of(options))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for name in ("first", "second", "difference"):
        sys.stdout.write(f"{name:12} {cell(found[name]['value'], found[name])}\n")
    sys.stdout.write(
        f"{found['shared']} samples shared, {found['only_first']} and {found['only_second']} in one only\n"
    )


def plan_of(options: argparse.Namespace) -> "Resampling":
    """Raises ConfigError."""
    from agentworld_dag.evaluation.intervals import Resampling

    if options.bootstrap_samples < 1:
        raise ConfigError(f"--bootstrap-samples {options.bootstrap_samples}: expected 1 or more")
    return Resampling(options.bootstrap_samples, check_seed(options.seed))


def tell(problems: tuple[str, ...]) -> None:
    """Warns of the first few."""
    for problem in problems[:SHOWN_PROBLEMS]:
        log.warning("%s", problem)
    if len(problems) > SHOWN_PROBLEMS:
        log.warning("and %d more", len(problems) - SHOWN_PROBLEMS)
