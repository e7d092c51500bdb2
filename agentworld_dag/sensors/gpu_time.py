"""GPU-seconds of a retraining, from Dagster's log alone: what stages reported, and a bound for those that never did.

A stage reports what all its attempts used when it finishes. One that failed, was
killed or is at work left its account in the lake, perhaps on another machine;
it is counted from the start of its step to its end, waiting for a machine
included, with as many GPUs as any stage asks for.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from agentworld_dag.assets import agent, benchmark, comparison, evaluation, world_model
from agentworld_dag.compute import Compute
from agentworld_dag.jobs.instance import GPU_POOL

REPORTED = "cost/gpu_seconds"
OF_STEPS = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
}
GPU_STEPS = {
    asset.op.name
    for asset in dg.load_assets_from_modules([agent, benchmark, comparison, evaluation, world_model])
    if isinstance(asset, dg.AssetsDefinition) and asset.op.pool == GPU_POOL
}


def most_gpus(compute: Compute) -> int:
    """That one stage asks for, on all its nodes."""
    asked = [compute.default, *map(compute.needs, compute.stages)]
    return max(needs.nodes * needs.gpus for needs in asked)


def gpu_s(instance: dg.DagsterInstance, runs: Sequence[dg.RunRecord], gpus: int, now: float) -> float:
    """Used so far by runs that go on with each other's work."""
    reported, unreported = list[tuple[str, float]](), list[tuple[str, float]]()
    for run in runs:
        events = instance.get_records_for_run(run.dagster_run.run_id, of_type=OF_STEPS).records
        entries = [record.event_log_entry for record in events]
        reported += _reported(entries)
        unreported += _at_work(entries, run.end_time or now).items()
    unfinished = GPU_STEPS - {step for step, _ in reported}
    return sum(used for _, used in reported) + gpus * sum(s for step, s in unreported if step in unfinished)


def _reported(entries: Sequence[dg.EventLogEntry]) -> Iterator[tuple[str, float]]:
    """By asset, which its step is named after."""
    for made in (entry.asset_materialization for entry in entries):
        used = made.metadata.get(REPORTED) if made else None
        if made and used and isinstance(used.value, int | float):
            yield made.asset_key.to_user_string(), used.value


def _at_work(entries: Sequence[dg.EventLogEntry], run_ended_at: float) -> Mapping[str, float]:
    """Seconds from the start of each step to its failure, or to the end of the run."""
    started = _times(entries, dg.DagsterEventType.STEP_START)
    failed = _times(entries, dg.DagsterEventType.STEP_FAILURE)
    return {step: failed.get(step, run_ended_at) - at for step, at in started.items()}


def _times(entries: Sequence[dg.EventLogEntry], kind: dg.DagsterEventType) -> Mapping[str, float]:
    of_kind = [entry for entry in entries if entry.get_dagster_event().event_type == kind]
    return {entry.step_key: entry.timestamp for entry in of_kind if entry.step_key}
