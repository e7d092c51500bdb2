"""How many calls to an endpoint may be open at once, found while it is being used.

A round is as many finished calls as the limit is wide. Rounds without trouble
widen it: fourfold at first; after a cut, half of the way back to where it was
cut, then past that by 1, 2, 4. Complaints (429, 5xx, a time-out, a dropped
connection) are told apart by their share: a few are chance and cost nothing,
some hold the limit, more than a tenth of a round cut it by the share refused,
to a half at most. Answers that only get slower are no complaint, but end the
growth: no wider than REACH times what gave the best rate. Complaints about
calls that were open before a cut do not cut again.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST = 32
SHORTEST = 10
"""Calls in a round of a narrow limit: it does not try to widen after each of them."""
CHANCE = 0.05
"""Largest share of complaints in a round at which the limit still grows."""
OVERLOAD = 0.1
"""Share of complaints above which it is cut; one complaint alone never is a share."""
GAIN = 1.1
"""How many times the best rate of calls makes a new best."""
REACH = 4.0
"""Far enough that one bad moment does not hide a gain."""


@dataclass
class Round:
    """What the calls that ended since the last one said."""

    started_s: float
    served: int = 0
    complaints: int = 0

    @property
    def ended(self) -> int:
        return self.served + self.complaints


class AdaptiveLimit:
    """Use `async with limit as ticket`, then say `served()` or `overloaded(ticket, pause_s)`."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._size = float(min(FIRST, most))
        self._step = 3 * self._size
        self._wall = 0.0
        self._best_rate = self._best_size = 0.0
        self._clock = clock
        self._round = Round(clock())
        self._open = 0
        self._cuts = 0
        self._rests_until = 0.0
        self._changed = asyncio.Condition()

    @property
    def size(self) -> int:
        return int(self._size)

    async def __aenter__(self) -> int:
        async with self._changed:
            await self._changed.wait_for(lambda: self._open < self.size)
            self._open += 1
        while (rest_s := self._rests_until - self._clock()) > 0:
            await asyncio.sleep(rest_s)
        return self._cuts

    async def __aexit__(self, *_: object) -> None:
        async with self._changed:
            self._open -= 1
            self._changed.notify(max(self.size - self._open, 0))

    def served(self) -> None:
        self._round.served += 1
        self._end_round()

    def overloaded(self, ticket: int, pause_s: float = 0.0) -> None:
        """A complaint, and how long the endpoint asked to be left alone; heeded by all calls when it has too much."""
        if ticket != self._cuts:
            return
        self._round.complaints += 1
        if self._round.complaints > 1 + OVERLOAD * self._size:
            self._cut()
            self._rests_until = self._clock() + pause_s
        else:
            self._end_round()

    def _cut(self) -> None:
        kept = self._round.served / self._round.ended
        self._wall = self._size
        self._size = max(self._size * max(kept, 0.5), 1.0)
        self._step = 1.0
        self._best_rate = 0.0  # of an endpoint that has changed since
        self._cuts += 1
        self._round = Round(self._clock())

    def _end_round(self) -> None:
        if self._round.ended < max(self.size, SHORTEST):
            return
        ended, self._round = self._round, Round(self._clock())
        if ended.complaints <= CHANCE * ended.ended:
            self._note_rate(ended)
            self._widen()

    def _note_rate(self, ended: Round) -> None:
        rate = ended.served / max(self._clock() - ended.started_s, 1e-9)
        if rate > GAIN * self._best_rate:
            self._best_rate, self._best_size = rate, self._size

    def _widen(self) -> None:
        if self._size < self._wall - 1:
            wider = (self._size + self._wall) / 2
        else:
            wider, self._step = self._size + self._step, 2 * self._step
        self._size = min(wider, self._most, max(REACH * self._best_size, self._size))
