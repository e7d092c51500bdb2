"""When the real environment is asked: nightly, once a person has turned it on."""

import dagster as dg

from agentworld_dag.assets.champions import current
from agentworld_dag.jobs.loop import probe_real_environment
from agentworld_dag.jobs.run_config import run_config
from agentworld_dag.monitoring.champion import WORLD_MODEL
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.sensors import history
from agentworld_dag.sensors.every import PROBE_CRON


@dg.schedule(
    job=probe_real_environment,
    cron_schedule=PROBE_CRON,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Probes the real environment every night, or when AGENTWORLD_PROBE_CRON says.",
)
def probe_nightly(context: dg.ScheduleEvaluationContext, preset: RunPreset) -> dg.RunRequest | dg.SkipReason:
    """None without a champion, and none while a round is trained: it would change nothing, and take its machine."""
    champion = current(context.instance, WORLD_MODEL)
    if champion is None:
        return dg.SkipReason(history.NO_CHAMPION)
    for job in (probe_real_environment.name, history.RETRAINING_JOB):
        if run := history.going_on(context.instance, job):
            return dg.SkipReason(f"{job} is under way, run {run.run_id}")
    return dg.RunRequest(
        run_key=f"probe-{context.scheduled_execution_time:%Y-%m-%dT%H:%M}",
        run_config=run_config(preset.name, champion.seed),
    )
