"""What a bystander sees of a deployment: Dagster's record, read and never written.

The record was copied: of its runs only those count that were created since the
drill began.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import dagster as dg

from agentworld_dag.assets.champions import current
from agentworld_dag.errors import RunError
from agentworld_dag.monitoring.champion import WORLD_MODEL, Champion
from agentworld_dag.sensors import history

LOOK_EVERY_S = 2.0
READ = 200
Found = TypeVar("Found")
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass
class Timeline:
    """Tells each change once, with the seconds since the start. State: what was told."""

    say: Callable[[str], None]
    started_at: float = field(default_factory=time.monotonic)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    last: str = "nothing"
    """What was told last."""
    _told: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started_at

    def tell(self, who: str, what: str) -> None:
        minutes, seconds = divmod(int(self.seconds), 60)
        self.say(f"{minutes:02d}:{seconds:02d}  {who:<26} {what}")
        self.last = f"{who}, {what}"

    def tell_change(self, key: str, who: str, what: str) -> None:
        """Say it unless it was the last thing said under this key."""
        if self._told.get(key) != what:
            self._told[key] = what
            self.tell(who, what)


def look(instance: dg.DagsterInstance, timeline: Timeline) -> None:
    """Tell what is new: reasons of ticks, runs, probes and champions."""
    for state in instance.all_instigator_state():
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
            said = tick.skip_reason or (f"starts {', '.join(tick.run_keys)}" if tick.run_keys else "")
            if tick.error:
                said = f"fails: {tick.error.message.strip()[:300]}"
            if said:
                timeline.tell_change(state.instigator_name, state.instigator_name, said)
    for run in new_runs(instance, timeline.began):
        where = f" of {run.tags[history.PARTITION]}" if history.PARTITION in run.tags else ""
        if run.status in (dg.DagsterRunStatus.STARTED, *ENDED):
            timeline.tell_change(run.run_id, run.job_name, f"{run.status.value.lower()}{where} ({run.run_id[:8]})")
    champion = current(instance, WORLD_MODEL)
    if champion:
        told = f"{champion.name} since it was {champion.decision} by {champion.who}: {champion.why}"
        timeline.tell_change("champion", "champion", told)
        for shown in history.probe_metadata(instance, champion):
            exact, where = shown["fidelity/champion/value"], ", ".join(shown["environments"])
            told = f"{champion.name} is exact in {exact:.3f} of all turns; environment {where}"
            timeline.tell_change(f"probe {shown['probe']}", "real_env_probe", told)


def wait_for(
    what: str,
    seen: Callable[[], Found | None],
    instance: dg.DagsterInstance,
    timeline: Timeline,
    deadline_s: float,
) -> Found:
    """What is seen at last. Raises RunError at the deadline, in seconds of the timeline, or when a run failed."""
    while True:
        look(instance, timeline)
        if (found := seen()) is not None:
            timeline.tell("drill", f"seen: {what}")
            return found
        if failed := new_runs(instance, timeline.began, statuses=[dg.DagsterRunStatus.FAILURE]):
            run = failed[0]
            raise RunError(f"{run.job_name} ({run.run_id}) failed while waiting for {what}; see it in `make ui`")
        if timeline.seconds > deadline_s:
            raise RunError(
                f"not seen within {deadline_s:.0f} s: {what}; last was told: {timeline.last}; "
                "give a busy machine longer by --deadline-s"
            )
        time.sleep(LOOK_EVERY_S)


def new_runs(instance: dg.DagsterInstance, began: datetime, **kind: Any) -> list[dg.DagsterRun]:
    """Runs created since then, the newest first. `kind`: fields of a RunsFilter."""
    return list(instance.get_runs(dg.RunsFilter(created_after=began, **kind), limit=READ))


def retrainings(instance: dg.DagsterInstance, began: datetime) -> list[dg.DagsterRun]:
    """Runs that were asked for as retrainings, the newest first."""
    runs = new_runs(instance, began, job_name=history.RETRAINING_JOB)
    return [run for run in runs if history.KEY in run.tags]


def running(instance: dg.DagsterInstance, job: str, round_name: str, began: datetime) -> dg.DagsterRun | None:
    """A run of a job for a round, begun or finished."""
    found = new_runs(instance, began, job_name=job, tags={history.PARTITION: round_name})
    return found[0] if found else None


def begun_step(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The first step of a run that has begun."""
    begun = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_START, limit=1).records
    return begun[0].event_log_entry.step_key if begun else None


def made(instance: dg.DagsterInstance, round_name: str, began: datetime) -> Counter[str]:
    """How often each asset of a round was materialised."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    found = Counter[str]()
    for run in new_runs(instance, began, tags={history.PARTITION: round_name}):
        events = [record.event_log_entry for record in instance.get_records_for_run(run.run_id, of_type=kind).records]
        found.update(
            event.asset_materialization.asset_key.to_user_string() for event in events if event.asset_materialization
        )
    return found


def champion_other_than(instance: dg.DagsterInstance, model: str, version: int | None) -> Champion | None:
    """A champion that is recorded and is not this version."""
    found = current(instance, model)
    return found if found and found.version != version else None
