"""What a bystander sees of a deployment: Dagster's record, read and never written."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

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
    _told: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started_at

    def tell(self, who: str, what: str) -> None:
        minutes, seconds = divmod(int(self.seconds), 60)
        self.say(f"{minutes:02d}:{seconds:02d}  {who:<26} {what}")

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
    for record in instance.get_run_records(limit=READ):
        run = record.dagster_run
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
        if failed := instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1):
            run = failed[0].dagster_run
            raise RunError(f"{run.job_name} ({run.run_id}) failed while waiting for {what}; see it in `make ui`")
        if timeline.seconds > deadline_s:
            raise RunError(f"not seen within {deadline_s:.0f} s: {what}")
        time.sleep(LOOK_EVERY_S)


def retrainings(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that were asked for as retrainings, the newest first."""
    records = instance.get_run_records(dg.RunsFilter(job_name=history.RETRAINING_JOB), limit=READ)
    return [record.dagster_run for record in records if history.KEY in record.dagster_run.tags]


def running(instance: dg.DagsterInstance, job: str, round_name: str) -> dg.DagsterRun | None:
    """A run of a job for a round, begun or finished."""
    of_round = dg.RunsFilter(job_name=job, tags={history.PARTITION: round_name})
    records = instance.get_run_records(of_round, limit=1)
    return records[0].dagster_run if records else None


def champion_other_than(instance: dg.DagsterInstance, model: str, version: int | None) -> Champion | None:
    """A champion that is recorded and is not this version."""
    found = current(instance, model)
    return found if found and found.version != version else None
