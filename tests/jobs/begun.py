"""A run that was begun in some process and holds a slot."""

import dagster as dg
from dagster._core.events import EngineEventData

from agentworld_dag.jobs.instance import GPU_POOL


@dg.job
def nothing() -> None:
    pass


def begun_run(instance: dg.DagsterInstance, pid: int | None, tags: dict[str, str] | None = None) -> dg.DagsterRun:
    """With `pid` the run's process has introduced itself as Dagster's do."""
    run = instance.create_run_for_job(nothing, tags=tags)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, nothing.name), run.run_id)
    if pid is not None:
        instance.report_engine_event("Started process for run", run, EngineEventData.in_process(pid))
    instance.event_log_storage.claim_concurrency_slot(GPU_POOL, run.run_id, "step")
    return run


def free_slots(instance: dg.DagsterInstance, pool: str) -> int:
    info = instance.event_log_storage.get_concurrency_info(pool)
    return info.slot_count - info.active_slot_count


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status
