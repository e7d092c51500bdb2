"""What Dagster's event log says about probes, retrainings and rounds: all that the sensors know.

Nothing is remembered between ticks, so a restart or a second daemon reads the
same.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from agentworld_dag.assets.champions import ASSETS
from agentworld_dag.assets.monitoring import SHOWN_CHAMPIONS, SHOWN_LEADS, SHOWN_PROBE, SHOWN_SCORES
from agentworld_dag.assets.registry import SHOWN_UNDER_REVIEW
from agentworld_dag.jobs.instance import UNFINISHED
from agentworld_dag.monitoring.champion import Champion
from agentworld_dag.monitoring.regression import Lead, lead_of
from agentworld_dag.monitoring.watch import WEEK_S, Probe, Retraining
from agentworld_dag.rounds import name_of, number_of

PROBE, PLAN, CANDIDATES = (dg.AssetKey(name) for name in ("real_env_probe", "round_plan", "world_model_versions"))
RETRAINING_JOB = "train_world_model"
KEY, OF_CHAMPION = "agentworld/retraining", "agentworld/champion"
"""Tags of a retraining: its key, under which it is started once, and who was in use when it was asked for."""
WHY = "agentworld/why"
"""Tag of a run that was not started by hand: the reason, for people."""
NO_CHAMPION = "no champion yet: approve a candidate in MLflow"
READ = 500
"""Probes, and runs, that are looked at; older ones count no more."""
RUN_KEY, PARTITION = "dagster/run_key", "dagster/partition"
"""Dagster's own tags."""
GOING_ON = [*UNFINISHED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.CANCELING]


def probe_metadata(instance: dg.DagsterInstance, champion: Champion) -> list[dict[str, Any]]:
    """Metadata of the champion's probes since it was promoted, oldest first.

    A probe belongs to whom it asked, whoever was champion when it ended.
    """
    since = dg.AssetRecordsFilter(asset_key=PROBE, after_timestamp=champion.at)
    records = instance.fetch_materializations(since, limit=READ).records
    shown = [record.asset_materialization.metadata for record in records if record.asset_materialization]
    plain = [{name: entry.value for name, entry in metadata.items()} for metadata in reversed(shown)]
    return [metadata for metadata in plain if metadata.get(SHOWN_CHAMPIONS[champion.model]) == champion.name]


def probes_of(shown: Sequence[dict[str, Any]], domain: str) -> list[Probe]:
    """What the drift sensor compares, in the order it came in."""
    return [
        Probe(str(each[SHOWN_PROBE]), tuple(each[SHOWN_SCORES][domain]))
        for each in shown
        if domain in each[SHOWN_SCORES]
    ]


def leads_of(shown: Sequence[dict[str, Any]], model: str) -> list[Lead]:
    """By how much the champion was ahead of the one before it, probe by probe."""
    found = (lead_of(str(each[SHOWN_PROBE]), each[SHOWN_LEADS].get(model, {})) for each in shown)
    return [lead for lead in found if lead]


def retrainings(instance: dg.DagsterInstance, champion: Champion, now: float) -> list[Retraining]:
    """One per key: a run that is tried again goes on with the same retraining. Costs are those of the last week."""
    records = instance.get_run_records(dg.RunsFilter(job_name=RETRAINING_JOB), limit=READ)
    by_key: dict[str, list[dg.RunRecord]] = {}
    for record in records:
        run = record.dagster_run
        by_key.setdefault(run.tags.get(KEY) or run.root_run_id or run.run_id, []).append(record)
    undecided = _undecided(instance, champion)
    return [_retraining(instance, runs, undecided, now) for runs in by_key.values()]


def started(instance: dg.DagsterInstance, run_key: str) -> dg.DagsterRun | None:
    """The run that was started under a key: Dagster starts no other."""
    return next(iter(instance.get_runs(dg.RunsFilter(tags={RUN_KEY: run_key}), limit=1)), None)


def going_on(instance: dg.DagsterInstance, job: str) -> dg.DagsterRun | None:
    """A run of the job that has not ended."""
    return next(iter(instance.get_runs(dg.RunsFilter(job_name=job, statuses=GOING_ON), limit=1)), None)


def next_round(instance: dg.DagsterInstance, champion: Champion) -> str:
    """The round to train: one that was begun from this champion and brought no candidate yet, else a new one."""
    last = max({champion.round, *instance.get_materialized_partitions(PLAN)}, key=number_of)
    unfinished = last not in instance.get_materialized_partitions(CANDIDATES)
    if unfinished and _planned_from(instance, last) == champion.name:
        return last
    return name_of(number_of(last) + 1)


def _retraining(
    instance: dg.DagsterInstance, runs: Sequence[dg.RunRecord], undecided: set[str], now: float
) -> Retraining:
    asked_at = min(record.create_timestamp.timestamp() for record in runs)
    recent = [record.dagster_run for record in runs if now - record.create_timestamp.timestamp() < WEEK_S]
    return Retraining(
        champion=runs[-1].dagster_run.tags.get(OF_CHAMPION, ""),
        asked_at=asked_at,
        gpu_s=sum(_gpu_s(instance, run.run_id) for run in recent),
        running=any(_is_going_on(record.dagster_run) for record in runs),
        undecided=any(record.dagster_run.tags.get(PARTITION) in undecided for record in runs),
    )


def _is_going_on(run: dg.DagsterRun) -> bool:
    """A run that failed and is about to be tried again goes on, too."""
    return run.status in GOING_ON or run.is_complete_and_waiting_to_retry


def _undecided(instance: dg.DagsterInstance, champion: Champion) -> set[str]:
    """Rounds that put a candidate up after the last decision."""
    rejected = instance.fetch_observations(dg.AssetKey(ASSETS[champion.model]), limit=1).records
    since = max(champion.at, rejected[0].timestamp if rejected else 0.0)
    put_up = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=CANDIDATES, after_timestamp=since), limit=READ
    ).records
    return {record.partition_key or "" for record in put_up if _says(record, SHOWN_UNDER_REVIEW)}


def _says(record: dg.EventLogRecord, entry: str) -> bool:
    shown = record.asset_materialization
    return shown is not None and entry in shown.metadata and bool(shown.metadata[entry].value)


def _gpu_s(instance: dg.DagsterInstance, run_id: str) -> float:
    """What the run has used so far."""
    events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    shown = (event.asset_materialization.metadata for event in events if event.asset_materialization)
    used = (metadata["cost/gpu_seconds"].value for metadata in shown if "cost/gpu_seconds" in metadata)
    return sum(seconds for seconds in used if isinstance(seconds, int | float))


def _planned_from(instance: dg.DagsterInstance, round_name: str) -> str | None:
    """The champion that a round went on from, by name."""
    of_round = dg.AssetRecordsFilter(asset_key=PLAN, asset_partitions=[round_name])
    records = instance.fetch_materializations(of_round, limit=1).records
    found = records[0].asset_materialization if records else None
    return str(found.metadata["champion"].value) if found else None
