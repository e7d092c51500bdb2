"""The Dagster instance of a home, and the runs in it that nobody is running any more."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from agentworld_dag.errors import StoreError
from agentworld_dag.home import PRESETS, Home
from agentworld_dag.partitions import rounds

STARTED_BY = "agentworld/started_by"
"""Tag of the runs the command line starts; it holds the home's lock while they run."""
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
            _close_orphans(instance)
            yield instance


def prepare(home: Home) -> None:
    """Point this process, and those it starts, at the instance below the home."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PRESETS.parent / "dagster.yaml", home.dagster / "dagster.yaml")
    os.environ["AGENTWORLD_HOME"] = str(home.root)
    os.environ["DAGSTER_HOME"] = str(home.dagster)


def add_round(instance: dg.DagsterInstance, round_name: str) -> None:
    assert rounds.name is not None
    if not instance.has_dynamic_partition(rounds.name, round_name):
        instance.add_dynamic_partitions(rounds.name, [round_name])


def _close_orphans(instance: dg.DagsterInstance) -> None:
    """A killed command line leaves its run unfinished in the log; under the lock no such run can be alive."""
    left = dg.RunsFilter(statuses=UNFINISHED, tags={STARTED_BY: "command line"})
    for record in instance.get_run_records(left):
        instance.report_run_canceled(record.dagster_run, "its process is gone")
