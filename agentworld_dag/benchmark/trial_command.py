"""`agentworld bench trial` and `bench agree`: what a judge is worth, and how far two of them agree."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentworld_dag.benchmark.command import judge_of, plan_of, tell
from agentworld_dag.errors import JudgeError

if TYPE_CHECKING:
    from agentworld_dag.benchmark.settings import JudgeTrial
    from agentworld_dag.benchmark.trial import Trial
    from agentworld_dag.benchmark.verdicts import Verdict
    from agentworld_dag.evaluation.intervals import Estimate


def add_trial_commands(commands: Any) -> None:
    """`trial` and `agree`, below `bench`."""
    tried = commands.add_parser("trial", help="try a judge on answers known by construction; code 1 when a claim fails")
    tried.add_argument("data", type=Path, help="folder of {domain}_test.jsonl files in the official layout")
    tried.add_argument("--out", type=Path, required=True, help="folder for the judge's answers; resumed if there")
    tried.add_argument("--judge-url", help="base address of an LLM judge; left out: the embedded rule judge")
    tried.add_argument("--judge", help="the judge's name there")
    tried.add_argument("--preset", default="tiny", help="its benchmark.judge_trial holds the limits: a name or a path")
    tried.add_argument("--max-tokens", type=int, default=8192, help="per answer")
    tried.add_argument("--timeout-s", type=float, default=600.0, help="per call")
    tried.add_argument("--at-once", type=int, default=128, help="most calls open at once; found by use below that")
    tried.set_defaults(command=trial)
    two = commands.add_parser("agree", help="quadratic kappa of two judges on the samples both judged")
    two.add_argument("first", type=Path, help="judged rows of one judge")
    two.add_argument("second", type=Path, help="judged rows of the other")
    two.set_defaults(command=agree)
    for command in (tried, two):
        command.add_argument("--seed", type=int, default=0, help="of what is drawn")
        command.add_argument("--bootstrap-samples", type=int, default=2000)
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")


def trial(options: argparse.Namespace) -> None:
    """Raises JudgeError when a claim does not hold."""
    from agentworld_dag.benchmark.samples import read_benchmark
    from agentworld_dag.benchmark.trial import try_judge
    from agentworld_dag.benchmark.verdicts import verdicts
    from agentworld_dag.config import load_preset
    from agentworld_dag.home import preset_path

    judge, limits = judge_of(options), load_preset(preset_path(options.preset)).benchmark.judge_trial
    benchmark = read_benchmark(options.data)
    tell(benchmark.problems)
    tried = try_judge(benchmark.samples, judge, limits.samples, options.out, plan_of(options))
    found = verdicts(tried, limits)
    sys.stdout.write(_json(tried, found) if options.json else _table(tried, found, limits))
    _refuse(tried, found)


def agree(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.judged import read_judged, sound
    from agentworld_dag.benchmark.kappa import agreement
    from agentworld_dag.evaluation.intervals import as_json

    first, second = (sound(read_judged(path)) for path in (options.first, options.second))
    for side in (first, second):
        tell(side.problems)
    found = agreement(first, second, plan_of(options))
    if options.json:
        sys.stdout.write(json.dumps({name: as_json(kappa) for name, kappa in found.items()}, indent=2) + "\n")
        return
    sys.stdout.write("".join(f"{name:12} {_cell(kappa)}\n" for name, kappa in found.items()))


def _refuse(tried: "Trial", found: Sequence["Verdict"]) -> None:
    if failed := [each for each in found if not each.holds]:
        told = "; ".join(f"{each.name}: {each.evidence}" for each in failed)
        raise JudgeError(
            f"{tried.judge} failed {len(failed)} of {len(found)} claims ({told}); its scores are not to be relied on. "
            f"Its answers are in {tried.file}"
        )


def _json(tried: "Trial", found: Sequence["Verdict"]) -> str:
    from dataclasses import asdict

    from agentworld_dag.evaluation.intervals import as_json

    measures = {name: as_json(each) for name, each in tried.measures.items()}
    return json.dumps({"judge": tried.judge, "measures": measures, "verdicts": [*map(asdict, found)]}, indent=2) + "\n"


def _table(tried: "Trial", found: Sequence["Verdict"], limits: "JudgeTrial") -> str:
    from agentworld_dag.benchmark.verdicts import claims

    bounds = {bound.measure: str(bound) for each in claims(limits).values() for bound in each}
    lines = [f"{'judge ' + tried.judge:24}{'value [95 %]':26}{'n':>6}  limit"]
    for name, each in tried.measures.items():
        lines.append(f"{name:24}{_cell(each):26}{each.n if each else 0:>6}  {bounds.get(name, '')}".rstrip())
    lines += ["", *(f"{'holds' if each.holds else 'FAILS':7}{each.name}" for each in found)]
    return "\n".join(lines) + "\n"


def _cell(found: "Estimate | None") -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]" if found else "-"
