"""One turn of the loop from the command line: run the job, tell what it did and where the time went."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from agentworld_dag.errors import RunError
from agentworld_dag.jobs.instance import STARTED_BY, add_round
from agentworld_dag.jobs.run_config import run_config
from agentworld_dag.lake.shared import opened

PARTITION = "dagster/partition"
UNLIMITED = {"dagster/max_runtime": "0"}
"""A daemon beside the command line could only call a long run failed, not end it."""


@dataclass(frozen=True)
class Turn:
    """What one run of the loop did."""

    wall_s: float
    work_s: float
    """Seconds in which at least one stage was working."""
    made: tuple[str, ...]
    reused: tuple[str, ...]
    report: Path
    """Artifact folder of the round's report."""

    @property
    def overhead_s(self) -> float:
        """Orchestration and process start-up: the wall time in which no stage worked."""
        return self.wall_s - self.work_s


def loop_job() -> dg.JobDefinition:
    """The job, found again by step processes."""
    from agentworld_dag.definitions import defs

    return defs.resolve_job_def("turn_the_loop")


def turn_the_loop(
    instance: dg.DagsterInstance, preset_name: str, seed: int, round_name: str, started_at: float
) -> Turn:
    """Run the whole job in children of this process. `started_at`: epoch seconds from which the wall time counts.

    Raises RunError with the reason of the first step that failed.
    """
    add_round(instance, round_name)
    result = dg.execute_job(
        dg.reconstructable(loop_job),
        instance=instance,
        run_config=run_config(preset_name, seed),
        tags={PARTITION: round_name, STARTED_BY: "command line", "agentworld/seed": str(seed)} | UNLIMITED,
    )
    if not result.success:
        if any("DagsterExecutionInterruptedError" in name for name in _error_names(result)):
            raise KeyboardInterrupt
        raise RunError(first_reason(result))
    return _summary(result, started_at)


def covered_s(intervals: Iterable[tuple[float, float]]) -> float:
    """Seconds covered by at least one interval."""
    total, end = 0.0, float("-inf")
    for start, finish in sorted(intervals):
        total += max(0.0, finish - max(start, end))
        end = max(end, finish)
    return total


def _summary(result: dg.JobExecutionResult, started_at: float) -> Turn:
    events = {e.materialization.asset_key.to_user_string(): e for e in result.get_asset_materialization_events()}
    described = {name: event.materialization.metadata for name, event in events.items()}
    artifacts = {name: metadata for name, metadata in described.items() if "reused" in metadata}
    made = [name for name, metadata in artifacts.items() if not metadata["reused"].value]
    folders = {name: Path(str(metadata["path"].value)) for name, metadata in artifacts.items()}
    lake = opened()
    timings = [lake.read_result(folders[name])["timing"] for name in made]
    work_s = covered_s((max(t["work_started_at"], started_at), t["finished_at"]) for t in timings)
    reused = tuple(name for name in artifacts if name not in made)
    return Turn(time.time() - started_at, work_s, tuple(made), reused, lake.pulled(folders["round_report"]))


def _error_names(result: dg.JobExecutionResult) -> list[str]:
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    return [error.cls_name or "" for error in errors if error]


def first_reason(result: dg.JobExecutionResult) -> str:
    """Why a run did not succeed, in one line: the gate that closed, or what the first failed step said."""
    gates = [check for check in result.get_asset_check_evaluations() if check.blocking and not check.passed]
    if gates:
        return _gate(gates[0])
    failures = result.get_step_failure_events()
    if not failures:
        return "the run ended without a result and without a failed step; its log is in the Dagster UI (`make ui`)"
    return f"{failures[0].step_key}: {_crash(result, failures[0]) or _said(failures[0])}"


def _crash(result: dg.JobExecutionResult, failure: dg.DagsterEvent) -> str | None:
    """Dagster's account of a step process that could not speak for itself any more, such as a killed one."""
    error = failure.step_failure_data.error
    if error is None or error.cls_name != "ChildProcessCrashException":
        return None
    accounts = [
        event.message or ""
        for event in result.all_events
        if event.step_key == failure.step_key and event.is_engine_event and event.engine_event_data.error
    ]
    return f"{accounts[0]} Nothing that was finished is lost; run again to go on" if accounts else None


def _said(failure: dg.DagsterEvent) -> str:
    data = failure.step_failure_data
    given = data.user_failure_data.description if data.user_failure_data else None
    error = data.error
    while error and error.cause:
        error = error.cause
    return given or (error.message.strip() if error else "no reason recorded")


def _gate(check: dg.AssetCheckEvaluation) -> str:
    """A blocking check that does not hold, with its numbers."""
    evidence = ", ".join(f"{name} {entry.value}" for name, entry in check.metadata.items())
    asset = check.asset_key.to_user_string()
    return f"{asset}: {check.check_name} does not hold ({evidence}); nothing that builds on {asset} was computed"
