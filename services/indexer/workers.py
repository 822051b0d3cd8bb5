"""Bounded pools of threads for work that blocks."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import faiss

from services.common.context import current
from services.common.errors import Overloaded

P = ParamSpec("P")
R = TypeVar("R")


class Workers:
    """Runs blocking functions in threads; what does not fit is refused instead of queued without end.

    Args:
        name: of the threads.
        threads: functions that run at the same time.
        waiting: functions that may wait for a thread.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        # OpenMP's number of threads is set per thread: each worker searches with its own one.
        self._executor = ThreadPoolExecutor(threads, name, initializer=lambda: faiss.omp_set_num_threads(1))
        self._most = threads + waiting
        self._lock = threading.Lock()
        self._busy = 0

    @property
    def busy(self) -> int:
        """Functions that run or wait."""
        return self._busy

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function in a thread, in the context of the request in hand.

        Raises:
            Overloaded: if too many wait.
            DeadlineExceeded: if the request's deadline passed before a thread was free.
        """
        with self._lock:
            if self._busy >= self._most:
                raise Overloaded("too many requests are waiting", retry_after=1)
            self._busy += 1

        def start() -> R:
            current().seconds_left()
            return function(*args, **kwargs)

        try:
            future: Future[R] = self._executor.submit(contextvars.copy_context().run, start)
        except RuntimeError:
            self._done()
            raise
        future.add_done_callback(lambda _: self._done())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for what runs; drop what waits."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _done(self) -> None:
        with self._lock:
            self._busy -= 1
