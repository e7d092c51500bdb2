"""SIGTERM, by which a scheduler asks a stage to stop: it leaves with RESUME_ME and goes on when it is started again.

Work that can keep what it has puts the stop off to a place of its own choice, as
a training loop does to the end of a step; everything else ends there and then.
SIGINT stays what it is in Python, and nothing is put off for it. Before a stage
heeds it, while modules are imported, SIGTERM kills: launchers take that alike.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from agentworld_dag.exit_codes import RESUME_ME


class Stopped(SystemExit):
    """Ends the stage with RESUME_ME. A SystemExit, because asyncio lets no other exception out of a task at once."""

    def __init__(self, words: str) -> None:
        super().__init__(RESUME_ME)
        self.words = words


class StopRequest:
    """State: whether somebody has asked this process to stop, and whether the work itself says when it does."""

    def __init__(self) -> None:
        self.asked = self._put_off = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """In here SIGTERM is a request. For the main thread, the only one that Python lets say so."""
        before = signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """A request in here sets `asked` and no more: it is for the work to `obey`, or to finish."""
        self._put_off = True
        try:
            yield
        finally:
            self._put_off = False

    def obey(self, words: str) -> NoReturn:
        """End the stage for this reason. Raises Stopped."""
        if signal.getsignal(signal.SIGTERM) == self._on_sigterm:
            # Deaf from here on: another request would cut short what cleans up.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped(words)

    def _on_sigterm(self, *_: object) -> None:
        self.asked = True
        if not self._put_off:
            self.obey("asked to stop")
