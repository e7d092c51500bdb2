"""What Dagster's event log says about the rounds after the first: which go on, what they cost, what awaits a decision.

Whoever trains such a round retrains, be it a sensor, a schedule, the launchpad
or `make run`.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from agentworld_dag.assets.champions import ASSETS, records
from agentworld_dag.assets.registry import SHOWN_UNDER_REVIEW
from agentworld_dag.errors import RegistryError
from agentworld_dag.jobs.loop import train_world_model, turn_the_loop
from agentworld_dag.monitoring.champion import Champion
from agentworld_dag.monitoring.watch import WEEK_S, Retraining
from agentworld_dag.resources.ending import AGAIN, Reason
from agentworld_dag.rounds import is_later, name_of, number_of
from agentworld_dag.sensors.gpu_time import gpu_s
from agentworld_dag.sensors.history import KEY, OF_CHAMPION, PARTITION, READ, is_going_on

PLAN, CANDIDATES = (dg.AssetKey(name) for name in ("round_plan", "world_model_versions"))
JOBS = (train_world_model.name, turn_the_loop.name)
"""They train a round to a candidate."""
FAILURE_REASON, STEP_FAILED = "dagster/failure_reason", "STEP_FAILURE"
"""Dagster's own tag of a run in which a step failed with a reason; a lost process leaves another value."""
CAN_GO_ON = AGAIN | {Reason.TIME_LIMIT}
"""Endings of a stage that say nothing against the round."""


def retrainings(instance: dg.DagsterInstance, champion: Champion, gpus: int, now: float) -> list[Retraining]:
    """One per key: a run that is tried again goes on with the same retraining. Costs are those of the last week.

    `gpus`: the most that one stage asks for.
    """
    by_key: dict[str, list[dg.RunRecord]] = {}
    for record in _runs(instance):
        run = record.dagster_run
        by_key.setdefault(run.tags.get(KEY) or run.root_run_id or run.run_id, []).append(record)
    undecided = _undecided(instance, champion)
    return [_retraining(instance, runs, undecided, gpus, now) for runs in by_key.values()]


def next_round(instance: dg.DagsterInstance, champion: Champion, alarm_at: float) -> str:
    """The round to train: the last one where that goes on, else a new one.

    A round goes on that was begun from this champion, brought no candidate yet, did not fail with a reason, and was
    planned after the alarm: sessions of an earlier one may not show what raised it. `alarm_at`: epoch seconds, 0.0
    without an alarm.
    """
    last = max({champion.round, *instance.get_materialized_partitions(PLAN)}, key=number_of)
    unfinished = last not in instance.get_materialized_partitions(CANDIDATES)
    if unfinished and _goes_on(instance, last, champion, alarm_at):
        return last
    return name_of(number_of(last) + 1)


def _runs(instance: dg.DagsterInstance, round_name: str | None = None) -> list[dg.RunRecord]:
    """Those that train a later round, or this one, newest first within a job."""
    tags = {PARTITION: round_name} if round_name else {}
    found = (instance.get_run_records(dg.RunsFilter(job_name=job, tags=tags), limit=READ) for job in JOBS)
    return [record for runs in found for record in runs if _trains_a_later_round(record.dagster_run)]


def _trains_a_later_round(run: dg.DagsterRun) -> bool:
    return PARTITION in run.tags and is_later(run.tags[PARTITION])


def _retraining(
    instance: dg.DagsterInstance, runs: Sequence[dg.RunRecord], undecided: str | None, gpus: int, now: float
) -> Retraining:
    recent = [record for record in runs if now - record.create_timestamp.timestamp() < WEEK_S]
    return Retraining(
        champion=runs[-1].dagster_run.tags.get(OF_CHAMPION, ""),
        asked_at=min(record.create_timestamp.timestamp() for record in runs),
        gpu_s=gpu_s(instance, recent, gpus, now),
        running=any(is_going_on(record.dagster_run) for record in runs),
        undecided=any(record.dagster_run.tags[PARTITION] == undecided for record in runs),
    )


def _undecided(instance: dg.DagsterInstance, champion: Champion) -> str | None:
    """The round whose candidate was put up last, while it is neither in use nor rejected: it alone has the alias."""
    put_up = instance.fetch_materializations(CANDIDATES, limit=READ).records
    last = next((record for record in put_up if _is_under_review(record)), None)
    if last is None:
        return None
    used = any(
        each.round == last.partition_key and each.at > last.timestamp for each in records(instance, champion.model)
    )
    rejected = dg.AssetRecordsFilter(asset_key=dg.AssetKey(ASSETS[champion.model]), after_timestamp=last.timestamp)
    return None if used or instance.fetch_observations(rejected, limit=1).records else last.partition_key


def _is_under_review(record: dg.EventLogRecord) -> bool:
    shown = record.asset_materialization
    return shown is not None and SHOWN_UNDER_REVIEW in shown.metadata and bool(shown.metadata[SHOWN_UNDER_REVIEW].value)


def _goes_on(instance: dg.DagsterInstance, round_name: str, champion: Champion, alarm_at: float) -> bool:
    plan = _plan(instance, round_name)
    if plan is None or not plan.asset_materialization:
        return False
    if plan.asset_materialization.metadata["champion"].value != champion.name:
        return False
    runs = _runs(instance, round_name)
    if any(is_going_on(record.dagster_run) for record in runs):
        return True
    return plan.timestamp > alarm_at and not _failed_with_a_reason(instance, runs)


def _plan(instance: dg.DagsterInstance, round_name: str) -> dg.EventLogRecord | None:
    """The first record of it: a plan is decided once, and shown again by every later run."""
    of_round = dg.AssetRecordsFilter(asset_key=PLAN, asset_partitions=[round_name])
    return next(iter(instance.fetch_materializations(of_round, limit=1, ascending=True).records), None)


def _failed_with_a_reason(instance: dg.DagsterInstance, runs: Iterable[dg.RunRecord]) -> bool:
    """Whether the last run would only fail again: at a gate, or because a stage cannot do its work."""
    last = max(runs, key=lambda record: record.create_timestamp, default=None)
    if last is None or last.dagster_run.tags.get(FAILURE_REASON) != STEP_FAILED:
        return False
    run_id = last.dagster_run.run_id
    failures = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    return not all(_can_go_on(record.event_log_entry.get_dagster_event()) for record in failures)


def _can_go_on(failure: dg.DagsterEvent) -> bool:
    """Whether the step lost its machine, its time or MLflow, and nothing is wrong with what it works on."""
    given = failure.step_failure_data.user_failure_data
    words = (given.description if given else None) or ""
    lost = any(words.partition(" ")[2].startswith(reason) for reason in CAN_GO_ON)
    return lost or words.startswith(RegistryError.__name__)
