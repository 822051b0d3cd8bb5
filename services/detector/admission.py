"""How many requests are let in, and how many are worked on at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.context import current
from services.common.errors import DeadlineExceeded, Overloaded
from services.common.metrics import Metrics


class Admission:
    """A bounded room: ``place`` is taken before a body is read, ``turn`` before work is done.

    Args:
        running: requests worked on at the same time.
        waiting: further requests that may be in the room.
    """

    def __init__(self, running: int, waiting: int, metrics: Metrics) -> None:
        self._most = running + waiting
        self._turns = asyncio.Semaphore(running)
        self._inside = 0
        self._metrics = metrics

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Be in the room until the request is answered or its deadline has passed.

        Raises:
            Overloaded: the room is full.
            DeadlineExceeded: the deadline passed.
        """
        if self._inside >= self._most:
            self._metrics.event("refused")
            raise Overloaded(f"{self._inside} requests are being answered already; try again", retry_after=1)
        self._inside += 1
        self._metrics.level("requests", self._inside)
        try:
            async with asyncio.timeout(current().seconds_left()):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded("the request's deadline passed before it was answered") from error
        finally:
            self._inside -= 1
            self._metrics.level("requests", self._inside)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn and hold it."""
        async with self._turns:
            yield
