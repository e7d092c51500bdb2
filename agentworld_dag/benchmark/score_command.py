"""What `agentworld bench score` and `bench compare` do with files of judged rows.

Imports wait until a command needs them: `agentworld --help` is quick.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from agentworld_dag.benchmark.command import budget_of, plan_of, tell
from agentworld_dag.errors import ConfigError


def score(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.judged import read_judged
    from agentworld_dag.benchmark.official import official_scores

    if options.protocol == "strict":
        score_strictly(options.judged, options, options.audit, options.data)
        return
    for name, given in (("--audit", options.audit), ("--data", options.data)):
        if given and options.protocol == "official":
            raise ConfigError(f"{name} goes with --protocol strict or both: the official script knows nothing of it")
    judged = read_judged(options.judged)
    if options.protocol == "both":
        strict = _strict(options.judged, options, options.audit, options.data)
        _print({"strict": strict, "official": official_scores(judged.rows)}, options.json)
        return
    tell(judged.problems)
    _print(official_scores(judged.rows), options.json)


def score_strictly(
    path: Path, options: argparse.Namespace, audit_file: Path | None = None, data: Path | None = None
) -> None:
    _print(_strict(path, options, audit_file, data), options.json)


def _strict(path: Path, options: argparse.Namespace, audit_file: Path | None, data: Path | None) -> dict[str, Any]:
    from agentworld_dag.benchmark.breakdown import breakdown
    from agentworld_dag.benchmark.judged import clean_samples, only, read_judged, sound
    from agentworld_dag.benchmark.samples import read_benchmark
    from agentworld_dag.benchmark.strict import strict_scores

    judged = sound(read_judged(path))
    tell(judged.problems)
    found = strict_scores(judged, plan_of(options), budget_of(options))
    if audit_file is not None:
        clean = only(judged, clean_samples(audit_file))
        found |= {"clean": strict_scores(clean, plan_of(options), budget_of(options))}
    if data is not None:
        found |= {"breakdown": breakdown(judged, read_benchmark(data).samples, plan_of(options))}
    return found


def _print(found: dict[str, Any], as_json: bool) -> None:
    from agentworld_dag.benchmark.tables import page

    sys.stdout.write(json.dumps(found, indent=2) + "\n" if as_json else page(found))


def compare(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.judged import read_judged, sound
    from agentworld_dag.benchmark.strict import compared, refuse_above
    from agentworld_dag.benchmark.tables import cell

    first, second = (sound(read_judged(path)) for path in (options.first, options.second))
    for side in (first, second):
        tell(side.problems)
        refuse_above(side, budget_of(options))
    found = compared(first, second, plan_of(options))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for name in ("first", "second", "difference"):
        sys.stdout.write(f"{name:12} {cell(found[name]['value'], found[name])}\n")
    sys.stdout.write(
        f"{found['shared']} samples shared, {found['only_first']} and {found['only_second']} in one only\n"
    )
