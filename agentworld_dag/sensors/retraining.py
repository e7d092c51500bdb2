"""A round when it is needed: the sensor that watches probes, and the schedule that asks without being needed.

Both only read Dagster's own log and the preset; a tick imports no ML library.
What is asked for has a key, and Dagster starts one run per key; the round is
the same for everyone who asks while it can go on.
"""

import time
from collections.abc import Iterator, Mapping

import dagster as dg

from agentworld_dag.assets.champions import current
from agentworld_dag.jobs.loop import train_world_model
from agentworld_dag.jobs.run_config import run_config
from agentworld_dag.monitoring.champion import WORLD_MODEL, Champion
from agentworld_dag.monitoring.watch import Decision, Retraining, decide, held
from agentworld_dag.partitions import rounds
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.rounds import name_of, number_of
from agentworld_dag.sensors import history, later_rounds
from agentworld_dag.sensors.every import RETRAIN_CRON, SENSOR_EVERY_S
from agentworld_dag.sensors.gpu_time import most_gpus


@dg.sensor(
    job=train_world_model,
    minimum_interval_seconds=SENSOR_EVERY_S,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Trains another round when fresh probes are worse than the champion's reference.",
)
def retrain_on_fidelity_drop(context: dg.SensorEvaluationContext, preset: RunPreset) -> dg.SensorResult | dg.SkipReason:
    """Fires once per alarm of a domain; every other tick says why not."""
    champion = current(context.instance, WORLD_MODEL)
    if champion is None:
        return dg.SkipReason(history.NO_CHAMPION)
    now, rejected = time.time(), history.rejection(context.instance, champion.model, champion.at)
    decisions = decided(context.instance, champion, preset, now, rejected)
    if not decisions:
        return dg.SkipReason(f"{champion.name} has no reference in any domain; probes tell nothing about it")
    told = "; ".join([*_told(decisions, rejected), history.silence(context.instance, champion, now)])
    key = next((decision.key for decision in decisions.values() if decision.key), None)
    if key is None:
        return dg.SkipReason(told)
    if run := history.started(context.instance, key):
        return dg.SkipReason(f"{told}; nothing starts: run {run.run_id} was started for {key}, {run.status.value}")
    round_name = later_rounds.next_round(context.instance, champion, _alarm_at(decisions))
    context.log.info(f"trains {round_name}: {told}")
    return dg.SensorResult(
        run_requests=[request(champion, preset, key, round_name, told)],
        dynamic_partitions_requests=[rounds.build_add_request([round_name])],
    )


@dg.schedule(
    job=train_world_model,
    cron_schedule=RETRAIN_CRON,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Trains another round every Sunday, or when AGENTWORLD_RETRAIN_CRON says, within the preset's budgets.",
)
def retrain_weekly(context: dg.ScheduleEvaluationContext, preset: RunPreset) -> dg.RunRequest | dg.SkipReason:
    """Off until a person turns it on."""
    champion = current(context.instance, WORLD_MODEL)
    if champion is None:
        return dg.SkipReason(history.NO_CHAMPION)
    now = time.time()
    limits = preset.load(champion.round).watch
    if obstacle := held(retrainings(context.instance, champion, preset, now), limits, now):
        return dg.SkipReason(obstacle)
    rejected = history.rejection(context.instance, champion.model, champion.at)
    decisions = decided(context.instance, champion, preset, now, rejected)
    round_name = later_rounds.next_round(context.instance, champion, _alarm_at(decisions))
    context.instance.add_dynamic_partitions(str(rounds.name), [round_name])
    key = f"weekly-{context.scheduled_execution_time:%Y-%m-%dT%H:%M}"
    return request(champion, preset, key, round_name, "the schedule asked, nothing stands in the way")


def decided(
    instance: dg.DagsterInstance,
    champion: Champion,
    preset: RunPreset,
    now: float,
    rejected: history.Rejection | None,
) -> dict[str, Decision]:
    """What each domain of the champion's reference asks for. `rejected`: the last candidate that was, since then."""
    shown = list(history.probe_metadata(instance, champion))
    runs = retrainings(instance, champion, preset, now)
    since = rejected.at if rejected else champion.at
    limits = preset.load(champion.round).watch
    references = {domain: champion.reference_in(domain) for domain in champion.reference}
    return {
        domain: decide(reference, history.probes_of(shown, domain), runs, limits, now, since)
        for domain, reference in references.items()
        if reference
    }


def retrainings(instance: dg.DagsterInstance, champion: Champion, preset: RunPreset, now: float) -> list[Retraining]:
    """Of all later rounds; stages that failed count with the most GPUs that one of the next round asks for."""
    gpus = most_gpus(preset.load(name_of(number_of(champion.round) + 1)).compute)
    return later_rounds.retrainings(instance, champion, gpus, now)


def request(champion: Champion, preset: RunPreset, key: str, round_name: str, why: str) -> dg.RunRequest:
    """The run that trains the round, with the champion's seed."""
    tags = {
        history.KEY: key,
        history.WHY: why,
        history.OF_CHAMPION: champion.name,
        "agentworld/seed": str(champion.seed),
    }
    return dg.RunRequest(
        run_key=key,
        partition_key=round_name,
        run_config=run_config(preset.name, champion.seed),
        tags=tags,
    )


def _alarm_at(decisions: Mapping[str, Decision]) -> float:
    """When the last of the alarms was raised that stand, in any domain; 0.0 without one."""
    return max((decision.alarm_at for decision in decisions.values()), default=0.0)


def _told(decisions: Mapping[str, Decision], rejected: history.Rejection | None) -> Iterator[str]:
    """What was decided in each domain, and on which probes, for people."""
    for domain, decision in decisions.items():
        yield f"{domain}: {decision.reason}"
    if rejected:
        yield f"only probes since the rejection of version {rejected.version} count"
