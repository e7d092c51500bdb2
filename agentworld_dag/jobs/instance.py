"""The Dagster instance of a home, and the runs in it that nobody is running any more."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from agentworld_dag.artifacts import write_text
from agentworld_dag.errors import ConfigError, StoreError
from agentworld_dag.home import PRESETS, Home
from agentworld_dag.jobs.run_process import process_of
from agentworld_dag.partitions import rounds

INFRA = PRESETS.parent
DATABASE = "AGENTWORLD_DATABASE"
"""Names a PostgreSQL database for Dagster's record in place of SQLite below the home."""
STARTED_BY = "agentworld/started_by"
"""Tag of the runs the command line starts; it holds the home's lock while they run."""
GPU_POOL = "gpu"
"""Pool of the steps that train a model or let one generate."""
GPU_SLOTS = "AGENTWORLD_GPU_SLOTS"
"""How many of them run at a time: on two cores two, on a GPU that one fills, 1."""
UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


@contextmanager
def opened(home: Home) -> Iterator[dg.DagsterInstance]:
    """The instance, for this process alone. Raises StoreError while another command line holds it."""
    prepare(home)
    with (home.root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"another run is using {home.root}; wait for it, or set AGENTWORLD_HOME") from error
        with dg.DagsterInstance.get() as instance:
            instance.event_log_storage.set_concurrency_slots(GPU_POOL, gpu_slots())
            _close_orphans(instance)
            _free_slots(instance)
            yield instance


def prepare(home: Home) -> None:
    """Point this process, and those it starts, at the instance below the home."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    write_text(home.dagster / "dagster.yaml", settings())
    os.environ["AGENTWORLD_HOME"] = str(home.root)
    os.environ["DAGSTER_HOME"] = str(home.dagster)


def settings() -> str:
    """What the instance's own file says: on one machine, over SQLite or over the PostgreSQL database of DATABASE."""
    names = ["dagster.yaml", *(["dagster-postgres.yaml"] if os.environ.get(DATABASE) else [])]
    return "".join((INFRA / name).read_text() for name in names)


def gpu_slots() -> int:
    """Raises ConfigError."""
    given = os.environ.get(GPU_SLOTS) or "2"
    if not given.isdecimal() or int(given) < 1:
        raise ConfigError(f"{GPU_SLOTS} is {given!r}, expected a whole number from 1 on; unset it to get 2")
    return int(given)


def add_round(instance: dg.DagsterInstance, round_name: str) -> None:
    assert rounds.name is not None
    if not instance.has_dynamic_partition(rounds.name, round_name):
        instance.add_dynamic_partitions(rounds.name, [round_name])


def _close_orphans(instance: dg.DagsterInstance) -> None:
    """A killed command line leaves its run unfinished in the log; under the lock no such run can be alive."""
    left = dg.RunsFilter(statuses=UNFINISHED, tags={STARTED_BY: "command line"})
    for record in instance.get_run_records(left):
        instance.report_run_canceled(record.dagster_run, "its process is gone")


def _free_slots(instance: dg.DagsterInstance) -> None:
    """Slots that dead runs still hold: the daemon frees them, but a run of the command line cannot count on one."""
    for run_id in instance.event_log_storage.get_concurrency_run_ids():
        run, process = instance.get_run_by_id(run_id), process_of(instance, run_id)
        if run is None or run.is_finished or (process and not process.is_alive()):
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
