"""`agentworld bench`: the benchmark without the graph. No Dagster instance, no MLflow, no GPU.

    agentworld bench score JUDGED.jsonl                      scores with intervals; every failure costs
    agentworld bench score JUDGED.jsonl --protocol official  the official script's numbers
    agentworld bench compare A.jsonl B.jsonl                 two models on the same samples, paired

Inference and judging are left out so far.
"""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from agentworld_dag.benchmark.judged import ERROR_BUDGET, read_judged, sound
from agentworld_dag.config import check_seed
from agentworld_dag.errors import ConfigError

log = logging.getLogger(__name__)
SHOWN_PROBLEMS = 5


def add_commands(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `bench`; each sets `command`."""
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("score", help="score a file of judged rows")
    one.add_argument("judged", type=Path, help="JSON lines as the official `judge` step writes them")
    one.add_argument("--protocol", choices=("strict", "official"), default="strict")
    one.set_defaults(command=score)
    two = commands.add_parser("compare", help="two judged files on the samples they share; strict")
    two.add_argument("first", type=Path)
    two.add_argument("second", type=Path)
    two.set_defaults(command=compare)
    for command in (one, two):
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        command.add_argument(
            "--error-budget", type=float, default=ERROR_BUDGET, help="largest share without a judgement"
        )
        command.add_argument("--bootstrap-samples", type=int, default=2000)
        command.add_argument("--seed", type=int, default=0, help="of the bootstrap")


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
