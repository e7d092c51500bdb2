"""What Dagster's event log says about probes, rejections and runs: with `later_rounds`, all that the sensors know.

Nothing is remembered between ticks, so a restart or a second daemon reads the
same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from agentworld_dag.assets.champions import ASSETS
from agentworld_dag.assets.monitoring import SHOWN_CHAMPIONS, SHOWN_LEADS, SHOWN_PROBE, SHOWN_SCORES
from agentworld_dag.jobs.instance import UNFINISHED
from agentworld_dag.jobs.loop import probe_real_environment, train_world_model
from agentworld_dag.monitoring.champion import Champion
from agentworld_dag.monitoring.regression import Lead, lead_of
from agentworld_dag.monitoring.watch import Probe

PROBE = dg.AssetKey("real_env_probe")
RETRAINING_JOB = train_world_model.name
KEY, OF_CHAMPION = "agentworld/retraining", "agentworld/champion"
"""Tags of a retraining: its key, under which it is started once, and who was in use when it was asked for."""
WHY = "agentworld/why"
"""Tag of a run that was not started by hand: the reason, for people."""
NO_CHAMPION = "no champion yet: approve a candidate in MLflow"
READ = 500
"""Runs that are looked at, of each job; older ones count no more."""
PAGE = 50
"""Probes that are read at a time: whoever looks for the first few reads no more."""
RUN_KEY, PARTITION = "dagster/run_key", "dagster/partition"
"""Dagster's own tags."""
RECORDED_AT = "recorded_at"
"""When a probe came in, in epoch seconds, beside its metadata."""
GOING_ON = [*UNFINISHED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.CANCELING]
DAY_S = 24 * 3600.0


@dataclass(frozen=True)
class Rejection:
    """Of a candidate, by a reviewer."""

    version: int
    at: float
    """Epoch seconds."""


def probe_metadata(instance: dg.DagsterInstance, champion: Champion) -> Iterator[dict[str, Any]]:
    """Metadata of the champion's probes since it was promoted and when each came in, oldest first.

    A probe belongs to whom it asked, whoever was champion when it ended.
    """
    shown = (_plain(record) for record in _probes(instance, champion.at))
    return (metadata for metadata in shown if metadata.get(SHOWN_CHAMPIONS[champion.model]) == champion.name)


def probes_of(shown: Sequence[dict[str, Any]], domain: str) -> list[Probe]:
    """What the drift sensor compares, in the order it came in."""
    return [
        Probe(str(each[SHOWN_PROBE]), tuple(each[SHOWN_SCORES][domain]), each[RECORDED_AT])
        for each in shown
        if domain in each[SHOWN_SCORES]
    ]


def leads_of(shown: Iterable[dict[str, Any]], model: str) -> Iterator[Lead]:
    """By how much the champion was ahead of the one before it, probe by probe, read as they are asked for."""
    found = (lead_of(str(each[SHOWN_PROBE]), each[SHOWN_LEADS].get(model, {})) for each in shown)
    return (lead for lead in found if lead)


def silence(instance: dg.DagsterInstance, champion: Champion, now: float) -> str:
    """For how long no probe has come in, and how many runs have failed to bring one since, for people."""
    probes = instance.fetch_materializations(PROBE, limit=1).records
    last = max([champion.at, *(probe.timestamp for probe in probes)])
    told = f"no probe for {(now - last) / DAY_S:.1f} days"
    job = probe_real_environment.name
    since = dg.RunsFilter(
        job_name=job, statuses=[dg.DagsterRunStatus.FAILURE], created_after=datetime.fromtimestamp(last, UTC)
    )
    failed = instance.get_runs_count(since)
    if not failed:
        return told
    return f"{told}; the last {f'{failed} runs' if failed > 1 else 'run'} of {job} failed"


def rejection(instance: dg.DagsterInstance, model: str, since: float) -> Rejection | None:
    """The last one after a time."""
    after = dg.AssetRecordsFilter(asset_key=dg.AssetKey(ASSETS[model]), after_timestamp=since)
    records = instance.fetch_observations(after, limit=1).records
    told = records[0].asset_observation if records else None
    return Rejection(int(str(told.metadata["version"].value)), records[0].timestamp) if told else None


def started(instance: dg.DagsterInstance, run_key: str) -> dg.DagsterRun | None:
    """The run that was started under a key: Dagster starts no other."""
    return next(iter(instance.get_runs(dg.RunsFilter(tags={RUN_KEY: run_key}), limit=1)), None)


def going_on(instance: dg.DagsterInstance, job: str) -> dg.DagsterRun | None:
    """A run of the job that has not ended."""
    return next(iter(instance.get_runs(dg.RunsFilter(job_name=job, statuses=GOING_ON), limit=1)), None)


def is_going_on(run: dg.DagsterRun) -> bool:
    """A run that failed and is about to be tried again goes on, too."""
    return run.status in GOING_ON or run.is_complete_and_waiting_to_retry


def _probes(instance: dg.DagsterInstance, since: float) -> Iterator[dg.EventLogRecord]:
    """All of them: an alarm is named after the probe that raised it, which may be long ago."""
    wanted, cursor, more = dg.AssetRecordsFilter(asset_key=PROBE, after_timestamp=since), None, True
    while more:
        page = instance.fetch_materializations(wanted, limit=PAGE, cursor=cursor, ascending=True)
        yield from page.records
        cursor, more = page.cursor, page.has_more


def _plain(record: dg.EventLogRecord) -> dict[str, Any]:
    shown = record.asset_materialization
    entries = shown.metadata if shown else {}
    return {RECORDED_AT: record.timestamp} | {name: entry.value for name, entry in entries.items()}
