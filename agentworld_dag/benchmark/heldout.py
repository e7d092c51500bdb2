"""Stage `heldout_benchmark`: the benchmark of our own held-out sessions, audited against everything trained on.

    python -m agentworld_dag.benchmark.heldout --config infra/presets/tiny.yaml \
        --input trajectory_splits=DIR [--input round_plan=DIR] --out DIR

`data` holds samples in the official layout, `checks` the rule checks; both are
ordinary `agentworld bench` folders, so any endpoint can be asked the same.
Turns are drawn evenly over all held-out turns and not by the paper's rule
(first, last, three between): a share of right answers then speaks for whole
sessions. `audit.jsonl` says which samples training may have shown; training is that of the earlier rounds, too.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.benchmark.building import drawn_turns, training_text, write_benchmark
from agentworld_dag.benchmark.check_commands import CHECKS as CHECKS_FILE
from agentworld_dag.benchmark.check_commands import TRAJECTORIES, write_suite
from agentworld_dag.benchmark.check_generation import CheckSuite, build_checks
from agentworld_dag.benchmark.checks import Check, read_checks
from agentworld_dag.benchmark.contamination import audit_rows, exposures
from agentworld_dag.benchmark.disjoint import seen_in_training
from agentworld_dag.benchmark.samples import Key, read_benchmark
from agentworld_dag.errors import StoreError
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.parquet import iterate, read_trajectories
from agentworld_dag.trajectories.pools import TRAINING, pool_file
from agentworld_dag.trajectories.replay import earlier_files
from agentworld_dag.trajectories.round_plan import plan_of
from agentworld_dag.trajectories.schema import Trajectory

DATA, CHECKS, AUDIT = "data", "checks", "audit.jsonl"


@dataclass(frozen=True)
class Suite:
    """The rule checks and the turns they are about."""

    checks: tuple[Check, ...]
    turns: Mapping[Key, tuple[Trajectory, int]]
    """Trajectory and turn index from 0; each once, in the order its first check names it."""


def work(stage: Stage) -> dict[str, Any]:
    seed, splits = stage.preset.collection.seed, stage.inputs["trajectory_splits"]
    held_out = read_trajectories(splits / "held_out.parquet")
    samples = write_benchmark(drawn_turns(held_out, stage.preset.evaluation.fidelity_turns, seed), stage.out / DATA)
    suite = build_checks(held_out, seed, stage.preset.benchmark.checks_per_axis)
    shared = seen_in_training(suite.checks, suite.trajectories, _training(stage))
    write_suite(suite, stage.out / CHECKS)
    stage.log(f"{sum(samples.values())} samples, {sum(suite.kept.values())} rule checks proven")
    return {
        "samples": samples,
        "audit": _audit(stage.out, _training(stage)),
        "checks": _counts(suite) | {"shared_with_training": shared},
    }


def _training(stage: Stage) -> Iterator[Trajectory]:
    """What the model was trained on: in this round, and in those that led to it. A replayed one comes twice."""
    earlier = earlier_files(plan_of(stage.inputs).splits)
    for name in TRAINING:
        for file in (pool_file(stage.inputs["trajectory_splits"], name), *earlier[name]):
            yield from iterate(file)


def read_suite(benchmark: Path) -> Suite:
    """The checks of a finished stage. Raises StoreError when some are damaged."""
    checks, problems = read_checks(benchmark / CHECKS / CHECKS_FILE)
    if problems:
        raise StoreError(f"{problems[0]}; delete {benchmark} and run the stage that makes it again")
    known = {trajectory.id: trajectory for trajectory in read_trajectories(benchmark / CHECKS / TRAJECTORIES)}
    return Suite(checks, {check.key: (known[check.id], check.turn - 1) for check in checks})


def _audit(out: Path, training: Iterable[Trajectory]) -> dict[str, float]:
    rows = audit_rows(exposures(read_benchmark(out / DATA).samples, map(training_text, training)))
    (out / AUDIT).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    clean, seen = (sum(row[name] for row in rows) for name in ("clean", "id_seen"))
    return {"clean": clean, "clean_share": clean / len(rows), "ids_seen": seen}


def _counts(suite: CheckSuite) -> dict[str, Any]:
    counts = suite.counts()
    accepted = {axis: count / max(suite.adversarial[axis], 1) for axis, count in suite.false_accepts.items()}
    return {name: counts[name] for name in ("generated", "kept", "checks")} | {"false_accept_rate": accepted}


if __name__ == "__main__":
    run_stage(work)
