"""How many calls to an endpoint may be open at once, found while it is being used.

The limit doubles each round until the endpoint shows that it has too much (429,
5xx, a time-out, a dropped connection), is halved then, and creeps up by one a
round. Complaints about calls that were open before a cut do not cut again.
"""

import asyncio

FIRST = 4


class AdaptiveLimit:
    """Use `async with limit as ticket`, then say `served()` or `overloaded(ticket)`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = float(min(FIRST, most))
        self._open = 0
        self._cuts = 0
        self._changed = asyncio.Condition()

    @property
    def size(self) -> int:
        return int(self._size)

    async def __aenter__(self) -> int:
        async with self._changed:
            await self._changed.wait_for(lambda: self._open < self.size)
            self._open += 1
            return self._cuts

    async def __aexit__(self, *_: object) -> None:
        async with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def served(self) -> None:
        step = 1 / self._size if self._cuts else 1.0
        self._size = min(self._size + step, self._most)

    def overloaded(self, ticket: int) -> None:
        if ticket == self._cuts:
            self._cuts += 1
            self._size = max(self._size / 2, 1.0)
