"""Bounded micro-batching: what several requests have queued runs as one batch.

On a CPU nothing waits for company: a batch is whatever is queued when the model becomes free. On a GPU a batch may wait
``window_s`` for more.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.context import current
from services.common.errors import DeadlineExceeded, NotReady, Overloaded
from services.common.metrics import Metrics

Crops = NDArray[np.uint8]
Vectors = NDArray[np.float32]


@dataclass
class _Waiting:
    crops: Crops
    result: asyncio.Future[Vectors]
    since: float


class Batcher:
    """Joins requests into batches for one model. All methods belong to one event loop.

    Args:
        run: the model, blocking; called in a thread of its own, one call at a time.
        max_batch: most crops of one call.
        max_queued: crops waiting beyond which ``submit`` refuses.
        window_s: how long a batch may wait for more.
    """

    def __init__(
        self, run: Callable[[Crops], Vectors], max_batch: int, max_queued: int, window_s: float, metrics: Metrics
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_queued = max_queued
        self._window_s = window_s
        self._metrics = metrics
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "extractor-model")
        self._closed = False
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def submit(self, crops: Crops) -> Vectors:
        """Embed crops in the next batch that has room.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: the request's deadline passed before it was answered.
            NotReady: the service is ending.
        """
        if self._closed:
            raise NotReady("the extractor is shutting down")
        if self._queue and self._queued + len(crops) > self._max_queued:
            self._metrics.event("refused")
            raise Overloaded(f"{self._queued} crops are waiting already; try again in a moment", retry_after=1)
        seconds_left = current().seconds_left()
        result: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(crops, result, time.monotonic()))
        self._queued += len(crops)
        self._metrics.level("queued_crops", self._queued)
        self._arrived.set()
        try:
            async with asyncio.timeout(seconds_left):
                return await result
        except TimeoutError as error:
            self._metrics.event("late")
            raise DeadlineExceeded("the deadline passed before the crops were embedded") from error

    async def close(self) -> None:
        """Stop after the batch that runs; requests that still wait get ``NotReady``."""
        self._closed = True
        self._arrived.set()
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.result.done():
                waiting.result.set_exception(NotReady("the extractor is shutting down"))
        await self._task
        self._thread.shutdown()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:
            await self._arrived.wait()
            if self._window_s and self._queued < self._max_batch:
                await asyncio.sleep(self._window_s)
            batch = self._take()
            if batch:
                await self._answer(loop, batch)

    def _take(self) -> list[_Waiting]:
        """Requests for the next call; those whose caller left or was late are dropped unrun."""
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].crops) <= self._max_batch):
            waiting = self._queue.popleft()
            self._queued -= len(waiting.crops)
            if waiting.result.done():
                self._metrics.event("abandoned")
            else:
                batch.append(waiting)
                size += len(waiting.crops)
        if not self._queue:
            self._arrived.clear()
        self._metrics.level("queued_crops", self._queued)
        return batch

    async def _answer(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting]) -> None:
        oldest = min(waiting.since for waiting in batch)
        self._metrics.observe_stage("queue", time.monotonic() - oldest)
        try:
            vectors = await loop.run_in_executor(self._thread, self._run_all, [waiting.crops for waiting in batch])
        except Exception as error:  # each caller gets it; the loop goes on
            for waiting in batch:
                if not waiting.result.done():
                    waiting.result.set_exception(error)
            return
        start = 0
        for waiting in batch:
            end = start + len(waiting.crops)
            if not waiting.result.done():
                waiting.result.set_result(vectors[start:end])
            start = end

    def _run_all(self, parts: list[Crops]) -> Vectors:
        crops = parts[0] if len(parts) == 1 else np.concatenate(parts)
        with self._metrics.stage("run"):
            runs = [self._run(crops[i : i + self._max_batch]) for i in range(0, len(crops), self._max_batch)]
        return runs[0] if len(runs) == 1 else np.concatenate(runs)
