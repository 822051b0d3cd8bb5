"""Bounded parallel work in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from kenspeckle.client import KenspeckleError

A = TypeVar("A")
R = TypeVar("R")
WORKERS = 4


def in_order(work: Callable[[A], R], entries: Iterable[A]) -> Iterator[tuple[A, R | KenspeckleError]]:
    """Do ``work`` on each entry, at most four at a time, and give the results in order.

    An error that is a sentence for a person becomes the entry's result; any other ends the iteration.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[tuple[A, Future[R | KenspeckleError]]] = deque()
        try:
            for entry in entries:
                waiting.append((entry, pool.submit(_caught, work, entry)))
                if len(waiting) >= 2 * WORKERS:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _caught(work: Callable[[A], R], entry: A) -> R | KenspeckleError:
    try:
        return work(entry)
    except KenspeckleError as error:
        return error
