"""`agentworld bench checks` and `agentworld bench verify`: the rule verifiers from the command line.

Imports wait until a command needs them: `agentworld --help` is quick.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentworld_dag.config import check_seed
from agentworld_dag.errors import ConfigError, EvaluationError

if TYPE_CHECKING:
    from agentworld_dag.benchmark.check_generation import CheckSuite

CHECKS, TRAJECTORIES, COUNTS = "checks.jsonl", "trajectories.parquet", "checks.json"


def add_check_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = commands.add_parser("checks", help="executable checks, and their samples, out of recorded terminal sessions")
    made.add_argument("trajectories", type=Path, help="Parquet file, such as held_out.parquet of trajectory_splits")
    made.add_argument("--out", type=Path, required=True, help="folder for samples, checks, trajectories and counts")
    made.add_argument("--training", type=Path, nargs="+", default=[], help="refuse checks that these files show")
    made.add_argument("--most-per-axis", type=int, help="draw so many of each axis; left out: all")
    made.add_argument("--seed", type=int, default=0, help="of what is drawn")
    made.set_defaults(command=checks)
    held = commands.add_parser("verify", help="hold predictions against the checks of a folder")
    held.add_argument("data", type=Path, help="folder that `checks` wrote")
    held.add_argument("predictions", type=Path, help="predictions.jsonl of `bench run` on that folder")
    held.add_argument("--json", action="store_true", help="print JSON instead of a table")
    held.add_argument("--bootstrap-samples", type=int, default=2000)
    held.add_argument("--seed", type=int, default=0, help="of what is drawn")
    held.set_defaults(command=verify)


def checks(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.check_generation import build_checks
    from agentworld_dag.trajectories.parquet import read_trajectories

    if options.most_per_axis is not None and options.most_per_axis < 1:
        raise ConfigError(f"--most-per-axis {options.most_per_axis}: expected 1 or more")
    suite = build_checks(read_trajectories(options.trajectories), check_seed(options.seed), options.most_per_axis)
    _refuse_seen(suite, options.training)
    write_suite(suite, options.out)
    for axis, generated in suite.generated.items():
        shown, fooled = suite.adversarial[axis], suite.false_accepts[axis]
        sys.stdout.write(
            f"{axis}: {generated} generated, {suite.kept[axis]} kept, {fooled} of {shown} deceiving answers accepted "
            f"({fooled / max(shown, 1):.2%})\n"
        )
    sys.stdout.write(f"{len(suite.checks)} checks in {options.out}\n")


def write_suite(suite: "CheckSuite", folder: Path) -> None:
    """The samples that ask what the checks are about, the checks, their trajectories and the counts."""
    from agentworld_dag.benchmark.checks import write_checks
    from agentworld_dag.trajectories.agentworldbench import row
    from agentworld_dag.trajectories.parquet import write_trajectories

    folder.mkdir(parents=True, exist_ok=True)
    known = {trajectory.id: trajectory for trajectory in suite.trajectories}
    asked = dict.fromkeys(check.key for check in suite.checks)
    for domain in {key[0] for key in asked}:
        rows = (row(known[id], turn - 1) for of, id, turn in asked if of == domain)
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
        (folder / f"{domain}_test.jsonl").write_text(text, encoding="utf-8")
    write_checks(folder / CHECKS, suite.checks)
    write_trajectories(folder / TRAJECTORIES, suite.trajectories)
    (folder / COUNTS).write_text(json.dumps(suite.counts(), indent=1) + "\n", encoding="utf-8")


def verify(options: argparse.Namespace) -> None:
    from agentworld_dag.benchmark.checks import read_checks
    from agentworld_dag.benchmark.command import plan_of, tell
    from agentworld_dag.benchmark.verifying import accuracies, read_answers, verified

    held, bad_checks = read_checks(options.data / CHECKS)
    answers, bad_answers = read_answers(options.predictions)
    tell((*bad_checks, *bad_answers))
    found = accuracies(verified(held, answers), plan_of(options))
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if options.json else _table(found))


def _refuse_seen(suite: "CheckSuite", training: list[Path]) -> None:
    from agentworld_dag.benchmark.disjoint import seen_in_training
    from agentworld_dag.trajectories.parquet import read_trajectories

    shown = (trajectory for path in training for trajectory in read_trajectories(path))
    seen = seen_in_training(suite.checks, suite.trajectories, shown)
    if seen["any"]:
        told = ", ".join(f"{key} {count}" for key, count in seen.items() if key != "any")
        raise EvaluationError(
            f"{seen['any']} of {len(suite.checks)} checks are about sessions that training shows ({told}); "
            "name a pool that training does not read"
        )


def _table(found: dict[str, Any]) -> str:
    lines = [f"{found['answered']} of {found['checks']} checks answered; a missing answer is wrong"]
    for title, prefix in (("axes", ""), ("horizons", "consistency at distance "), ("rules", "")):
        lines += [_line(f"{prefix}{name}", each) for name, each in found[title].items()]
    return "\n".join(lines) + "\n"


def _line(name: str, found: dict[str, Any]) -> str:
    from agentworld_dag.benchmark.tables import cell

    percent = {end: 100 * found[end] for end in ("value", "low", "high")}
    return f"{name:46}{cell(percent['value'], percent):>24}{found['n']:>8}"
