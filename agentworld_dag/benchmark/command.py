"""`agentworld bench`: the benchmark without the graph. No Dagster instance, no MLflow, no GPU.

    agentworld bench run DATA --out DIR --model-url URL --model NAME
                                                             predicts, judges and scores every sample in DATA
    agentworld bench score JUDGED.jsonl                      scores with intervals; every failure costs
    agentworld bench score JUDGED.jsonl --protocol official  the official script's numbers
    agentworld bench compare A.jsonl B.jsonl                 two models on the same samples, paired

A run that was stopped goes on where it was when the same line is given again.
Keys come from AGENTWORLD_MODEL_API_KEY and AGENTWORLD_JUDGE_API_KEY.
"""

import argparse
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentworld_dag.benchmark.judged import ERROR_BUDGET, read_judged, sound
from agentworld_dag.config import check_seed
from agentworld_dag.errors import ConfigError

if TYPE_CHECKING:
    from agentworld_dag.benchmark.endpoint import Endpoint

log = logging.getLogger(__name__)
SHOWN_PROBLEMS = 5


def add_commands(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `bench`; each sets `command`."""
    commands = parser.add_subparsers(required=True)
    every = commands.add_parser("run", help="predict, judge and score the samples of a folder")
    _add_run_options(every)
    every.set_defaults(command=run)
    one = commands.add_parser("score", help="score a file of judged rows")
    one.add_argument("judged", type=Path, help="JSON lines as the official `judge` step writes them")
    one.add_argument("--protocol", choices=("strict", "official"), default="strict")
    one.set_defaults(command=score)
    two = commands.add_parser("compare", help="two judged files on the samples they share; strict")
    two.add_argument("first", type=Path)
    two.add_argument("second", type=Path)
    two.set_defaults(command=compare)
    for command in (every, one, two):
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        command.add_argument(
            "--error-budget", type=float, default=ERROR_BUDGET, help="largest share without a judgement"
        )
        command.add_argument("--bootstrap-samples", type=int, default=2000)
        command.add_argument("--seed", type=int, default=0, help="of the bootstrap")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of {domain}_test.jsonl files in the official layout")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for predictions and judgements; resumed if there"
    )
    parser.add_argument(
        "--model-url", required=True, help="OpenAI-compatible base address of the world model, with /v1"
    )
    parser.add_argument("--model", required=True, help="its name there")
    parser.add_argument("--judge-url", help="base address of an LLM judge; left out: the embedded rule judge")
    parser.add_argument("--judge", help="the judge's name there")
    parser.add_argument("--temperature", type=float, default=0.0, help="of the world model; the judge answers at 0")
    parser.add_argument("--max-tokens", type=int, default=8192, help="per answer")
    parser.add_argument("--timeout-s", type=float, default=600.0, help="per call")
    parser.add_argument("--at-once", type=int, default=64, help="most calls open at once; found by use below that")


def run(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.inference import predict_samples
    from agentworld_dag.benchmark.judging import judge_with_model, judge_with_rules
    from agentworld_dag.benchmark.samples import read_benchmark

    judge = _judge(options)
    benchmark = read_benchmark(options.data)
    _tell(benchmark.problems)
    predictions = predict_samples(benchmark.samples, _model(options), options.out)
    if judge is None:
        options.judged = judge_with_rules(benchmark.samples, predictions, options.out)
    else:
        options.judged = judge_with_model(benchmark.samples, predictions, judge, options.out)
    options.protocol = "strict"
    log.info("judged by %s: %s", judge.model if judge else "the embedded rules, no language model", options.judged)
    score(options)


def _model(options: argparse.Namespace) -> "Endpoint":
    return _endpoint(options, options.model_url, options.model, options.temperature, "AGENTWORLD_MODEL_API_KEY")


def _judge(options: argparse.Namespace) -> "Endpoint | None":
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
    from agentworld_dag.benchmark.official import official_scores
    from agentworld_dag.benchmark.strict import strict_scores

    judged = read_judged(options.judged)
    if options.protocol == "official":
        _tell(judged.problems)
        _print(official_scores(judged.rows), options.json)
        return
    judged = sound(judged)
    _tell(judged.problems)
    _print(strict_scores(judged, _plan(options), options.error_budget), options.json)


def compare(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.strict import compared, refuse_above

    first, second = (sound(read_judged(path)) for path in (options.first, options.second))
    for side in (first, second):
        _tell(side.problems)
        refuse_above(side, options.error_budget)
    found = compared(first, second, _plan(options))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for name in ("first", "second", "difference"):
        sys.stdout.write(f"{name:12} {_cell(found[name]['value'], found[name])}\n")
    sys.stdout.write(
        f"{found['shared']} samples shared, {found['only_first']} and {found['only_second']} in one only\n"
    )


def _plan(options: argparse.Namespace) -> Any:
    from agentworld_dag.evaluation.intervals import Resampling

    if options.bootstrap_samples < 1:
        raise ConfigError(f"--bootstrap-samples {options.bootstrap_samples}: expected 1 or more")
    return Resampling(options.bootstrap_samples, check_seed(options.seed))


def _print(found: dict[str, Any], as_json: bool) -> None:
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if as_json else table(found))


def table(found: dict[str, Any]) -> str:
    """Domains in rows, dimensions in columns; the overall number below, with its interval where there is one."""
    names = [name for name in next(iter(found["domains"].values())) if name not in ("valid", "failed", "intervals")]
    head = f"{'domain':10}" + "".join(f"{name:>24}" for name in names) + f"{'valid':>8}{'failed':>8}"
    lines = [head, *(_line(domain, scores, names) for domain, scores in found["domains"].items())]
    for name in ("macro", "micro"):
        if name in found:
            lines.append(f"{name:10}{_cell(found[name]['value'], found[name]):>24}")
    if "macro" not in found:
        lines.append(f"{'overall':10}{_cell(found['overall'], None):>24}")
    return "\n".join(lines) + "\n"


def _line(domain: str, scores: dict[str, Any], names: list[str]) -> str:
    intervals = scores.get("intervals", {})
    cells = "".join(f"{_cell(scores.get(name), intervals.get(name)):>24}" for name in names)
    return f"{domain:10}{cells}{scores['valid']:>8}{scores['failed']:>8}"


def _cell(value: float | None, interval: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]" if interval else f"{value:.2f}"


def _tell(problems: tuple[str, ...]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        log.warning("%s", problem)
    if len(problems) > SHOWN_PROBLEMS:
        log.warning("and %d more", len(problems) - SHOWN_PROBLEMS)
