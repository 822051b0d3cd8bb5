"""Micro-batching: joined, bounded, fair to deadlines, indifferent to company."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.context import RequestContext, use_context
from services.common.errors import DeadlineExceeded, NotReady, Overloaded
from services.common.metrics import Metrics
from services.extractor.batching import Batcher


class Model:
    """Sums each crop; holds every call until ``gate`` opens."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = threading.Event()

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.calls.append(len(crops))
        assert self.gate.wait(5)
        if (crops == 255).any():
            raise RuntimeError("broken crop")
        return crops.reshape(len(crops), -1).sum(axis=1, keepdims=True).astype(np.float32)


def crops(*values: int) -> NDArray[np.uint8]:
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1)


def run(scenario: Callable[[Batcher, Model], Awaitable[None]], max_batch: int = 4, max_queued: int = 6) -> Model:
    model = Model()

    async def main() -> None:
        batcher = Batcher(model, max_batch, max_queued, 0.0, Metrics("extractor"))
        try:
            await scenario(batcher, model)
        finally:
            model.gate.set()
            await batcher.close()

    asyncio.run(main())
    return model


async def occupied(batcher: Batcher, model: Model) -> asyncio.Task[NDArray[np.float32]]:
    """Keep the model busy with one crop."""
    task = asyncio.create_task(batcher.submit(crops(1)))
    while not model.calls:
        await asyncio.sleep(0.001)
    return task


def test_what_is_queued_while_the_model_is_busy_runs_as_one_batch_and_each_gets_its_own() -> None:
    async def scenario(batcher: Batcher, model: Model) -> None:
        first = await occupied(batcher, model)
        others = [asyncio.create_task(batcher.submit(crops(n, n + 1))) for n in (10, 20)]
        await asyncio.sleep(0.01)
        model.gate.set()
        results = await asyncio.gather(first, *others)
        assert [r.ravel().tolist() for r in results] == [[1], [10, 11], [20, 21]]

    assert run(scenario).calls == [1, 4]


def test_a_request_larger_than_a_batch_runs_in_pieces() -> None:
    async def scenario(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        result = await batcher.submit(crops(*range(10)))
        assert result.ravel().tolist() == list(range(10))

    assert run(scenario, max_queued=100).calls == [4, 4, 2]


def test_a_full_queue_refuses_at_once() -> None:
    async def scenario(batcher: Batcher, model: Model) -> None:
        first = await occupied(batcher, model)
        waiting = [asyncio.create_task(batcher.submit(crops(n, n, n))) for n in (2, 3)]
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded) as refused:
            await batcher.submit(crops(4))
        assert refused.value.retry_after == 1
        model.gate.set()
        await asyncio.gather(first, *waiting)

    run(scenario)


def test_work_whose_caller_left_or_whose_deadline_passed_is_not_run() -> None:
    async def scenario(batcher: Batcher, model: Model) -> None:
        first = await occupied(batcher, model)
        with use_context(RequestContext(deadline=time.monotonic() + 0.02)):
            late = asyncio.create_task(batcher.submit(crops(2)))
        left = asyncio.create_task(batcher.submit(crops(3)))
        stays = asyncio.create_task(batcher.submit(crops(4)))
        await asyncio.sleep(0.05)
        left.cancel()
        model.gate.set()
        assert (await stays).ravel().tolist() == [4]
        with pytest.raises(DeadlineExceeded):
            await late
        await first

    assert run(scenario).calls == [1, 1]


def test_a_failing_run_reaches_its_callers_and_the_next_one_works() -> None:
    async def scenario(batcher: Batcher, model: Model) -> None:
        model.gate.set()
        with pytest.raises(RuntimeError, match="broken crop"):
            await batcher.submit(crops(255))
        assert (await batcher.submit(crops(7))).ravel().tolist() == [7]

    run(scenario)


def test_closing_ends_the_batch_that_runs_and_answers_those_who_wait() -> None:
    async def scenario(batcher: Batcher, model: Model) -> None:
        first = await occupied(batcher, model)
        waiting = asyncio.create_task(batcher.submit(crops(2)))
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0.01)
        model.gate.set()
        await closing
        with pytest.raises(NotReady):
            await waiting
        with pytest.raises(NotReady):
            await batcher.submit(crops(3))
        assert (await first).ravel().tolist() == [1]

    run(scenario)
