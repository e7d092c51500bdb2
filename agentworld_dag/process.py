"""What a stage asks of its own process: to end with its parent, to keep to its threads, to be alone in its folder."""

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR

from agentworld_dag.errors import StoreError

PARENT = "AGENTWORLD_PARENT_PID"
"""Set by a launcher: the process that a stage must not outlive."""


def die_with_launcher() -> None:
    """Die with the process that PARENT names, and under Pipes with any parent; what was started by hand lives on."""
    parent = os.environ.pop(PARENT, None)  # it says nothing to the processes below
    if parent or DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
        die_with_parent(parent)


def die_with_parent(parent: str | None = None) -> None:
    """Ask the kernel to kill this process when its parent dies: a killed run leaves nothing behind.

    `parent`: its process id. A parent that died before this, while modules were imported, ends the process now.
    """
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if parent and int(parent) != os.getppid():
        os.kill(os.getpid(), signal.SIGKILL)


def limit_threads(threads: int) -> None:
    """Of the libraries that compute, where the environment does not say otherwise."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, str(threads))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if torch := sys.modules.get("torch"):  # imported before it could read the environment
        torch.set_num_threads(threads)


@contextmanager
def only_holder(out: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel drops it when this process ends, however it ends. Raises StoreError."""
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"another process is making {out}; wait for it to finish or stop it, then run again"
            ) from error
        yield
