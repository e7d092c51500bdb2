"""The process of a run: whether it is still there, and that it ends with the code server that started it.

Dagster notes its id in the run's log when it begins. It is looked for on this
machine, so everything that works on one instance must see the same processes:
deployments over several machines are left out.
"""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg

from agentworld_dag.cost import process_started_at

FIRST_EVENTS = 20
"""Engine events of a run among which its process has introduced itself."""
CLOCK_STEP_S = 60
"""A process that seems to have started this long after it introduced itself is another one with its number."""
ENDED = ("Z", "X")


@dataclass(frozen=True)
class RunProcess:
    """What a run's log says about its process."""

    pid: int
    seen_at: float
    """Epoch seconds."""

    def is_alive(self) -> bool:
        """False also for a process that has ended and was not waited for, and for a newer one with its number."""
        try:
            started_at = process_started_at(self.pid)
            status = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return status not in ENDED and started_at < self.seen_at + CLOCK_STEP_S


def process_of(instance: dg.DagsterInstance, run_id: str) -> RunProcess | None:
    """The process the run was begun in; None while none has introduced itself."""
    events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, limit=FIRST_EVENTS).records
    for entry in (event.event_log_entry for event in events):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid:
            return RunProcess(int(str(pid.value)), entry.timestamp)
    return None


def die_with_code_server() -> None:
    """In the process of a run: end when the code server does, `kill -9` included. Elsewhere nothing happens.

    A run without its server could not be cancelled any more. The kernel's
    parent-death signal would not do: it comes when the thread that started the
    process ends, and a server that is told to stop ends its threads first and
    then waits for its runs.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=[parent], name="die-with-code-server", daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
