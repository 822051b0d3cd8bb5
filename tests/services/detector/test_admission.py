"""The bounded room in front of the work."""

import asyncio
import time

import pytest

from services.common.context import RequestContext, use_context
from services.common.errors import DeadlineExceeded, Overloaded
from services.common.metrics import Metrics
from services.detector.admission import Admission


def test_a_full_room_refuses_and_recovers() -> None:
    async def play() -> None:
        admission = Admission(running=1, waiting=1, metrics=Metrics("detector"))
        leave = asyncio.Event()

        async def visit() -> None:
            async with admission.place(), admission.turn():
                await leave.wait()

        visits = [asyncio.create_task(visit()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            async with admission.place():
                pass
        assert refused.value.retry_after == 1
        leave.set()
        await asyncio.gather(*visits)
        async with admission.place():
            pass

    asyncio.run(play())


def test_only_so_many_work_at_once() -> None:
    async def play() -> int:
        admission = Admission(running=2, waiting=10, metrics=Metrics("detector"))
        at_work, most = 0, 0

        async def visit() -> None:
            nonlocal at_work, most
            async with admission.place(), admission.turn():
                at_work += 1
                most = max(most, at_work)
                await asyncio.sleep(0.001)
                at_work -= 1

        await asyncio.gather(*(visit() for _ in range(8)))
        return most

    assert asyncio.run(play()) == 2


def test_a_deadline_ends_the_wait() -> None:
    async def play() -> None:
        admission = Admission(running=1, waiting=4, metrics=Metrics("detector"))
        async with admission.place(), admission.turn():
            with use_context(RequestContext(deadline=time.monotonic() + 0.03)), pytest.raises(DeadlineExceeded):
                async with admission.place(), admission.turn():
                    pytest.fail("there was no turn to be had")

    asyncio.run(play())


def test_errors_leave_the_room_empty() -> None:
    async def play() -> None:
        admission = Admission(running=1, waiting=0, metrics=Metrics("detector"))
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with admission.place(), admission.turn():
                    _ = 1 / 0

    asyncio.run(play())
