"""What jobs of any cluster have in common: a log that is followed, and an engine that may be out of reach for a while.

A job outlives the connection to it. The log is therefore read again after every
break, and a question to the engine is asked again until its patience is over;
neither ends the job. An engine's own errors are turned into ConnectionError by
its back end where asking again may help. A log that its engine cuts at the
front, as Kubernetes does after 10 MiB, cannot be taken up where reading broke off.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import dagster as dg
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD, PipesDefaultMessageWriter, PipesParams

Answer = TypeVar("Answer")

INTERRUPTS = (dg.DagsterExecutionInterruptedError, KeyboardInterrupt)
"""How a step learns that it has been cancelled."""

POLL_S = 2
STOP_PATIENCE_S = 600
"""Longest that a cancelled step asks an engine out of reach: its run is given up after 900 s (infra/dagster.yaml)."""
LAST_LINES_S = 30
"""Longest wait for the rest of the log of a job that has ended."""
MESSAGE = f'{{"{PIPES_PROTOCOL_VERSION_FIELD}"'
"""Begins a message of Pipes; what stands before it on its line is a progress bar."""


class JobLog(dg.PipesMessageReader):
    """State: how far the log of one job has been read. Messages go to Dagster, other lines to the step's stderr."""

    def __init__(self, lines: Callable[[], Iterator[str]]) -> None:
        """`lines`: the log from its first line on. It may end before the job does, and raise ConnectionError."""
        self._lines = lines
        self._read = 0
        self._over = threading.Event()

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[PipesParams]:
        follower = threading.Thread(target=self._follow, args=(handler,), daemon=True)
        follower.start()
        try:
            yield {PipesDefaultMessageWriter.STDIO_KEY: PipesDefaultMessageWriter.STDERR}
        finally:
            self._over.set()
            follower.join(LAST_LINES_S)

    def no_messages_debug_text(self) -> str:
        return "Looked for messages in the job's log."

    def _follow(self, handler: dg.PipesMessageHandler) -> None:
        """One reading begins after the job has ended, and so misses nothing."""
        last = False
        while not last:
            last = self._over.is_set()
            self._read_on(handler)
            self._over.wait(POLL_S)

    def _read_on(self, handler: dg.PipesMessageHandler) -> None:
        try:
            for number, line in enumerate(self._lines(), 1):
                if number > self._read:
                    self._read = number
                    _pass_on(handler, line)
        except ConnectionError:
            return  # the job has no log yet, or the connection broke: the next reading goes on from here


def _pass_on(handler: dg.PipesMessageHandler, line: str) -> None:
    other, mark, rest = line.partition(MESSAGE)
    try:
        message = json.loads(mark + rest) if mark else None
    except ValueError:  # torn by a process that was killed while it wrote
        other, message = line, None
    if other:
        sys.stderr.write(f"{other}\n")
    if message:
        handler.handle_message(message)


def answered(context: dg.AssetExecutionContext, engine: str, patience_s: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns, asked again after a ConnectionError. Raises dg.Failure when patience is over."""
    deadline = time.monotonic() + patience_s
    warned = False
    while True:
        try:
            return ask()
        except ConnectionError as error:
            if time.monotonic() > deadline:
                told = f"{engine} has been out of reach for {patience_s:g} s: {error}"
                raise dg.Failure(
                    f"{told}; what it runs goes on: run again to attach to it", allow_retries=False
                ) from error
            if not warned:
                context.log.warning(f"{engine} is out of reach and is asked again for {patience_s:g} s: {error}")
            warned = True
        time.sleep(POLL_S)
