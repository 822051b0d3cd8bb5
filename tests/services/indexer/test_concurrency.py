"""Searches beside changes."""

import asyncio
import threading
import time

import pytest
from fastapi.testclient import TestClient

from services.common.context import RequestContext, use_context
from services.common.errors import DeadlineExceeded, Overloaded
from services.indexer.locks import ReadWriteLock
from services.indexer.workers import Workers
from tests.services.indexer.helpers import new_item, png, post_item, post_search, vectors


def test_everyone_reads_their_own_writes_beside_many_searches(client: TestClient, fingerprint: str) -> None:
    failures: list[str] = []
    stop = threading.Event()
    post_item(client, new_item(fingerprint, label="first"), vectors(0), [png(0)])

    def search() -> None:
        while not stop.is_set():
            response = post_search(client, fingerprint, vectors(5, 4), k=20)
            if response.status_code != 200:
                failures.append(response.text)

    def write(number: int) -> None:
        for step in range(8):
            seed = 1000 * number + step
            made = post_item(client, new_item(fingerprint, label=f"{seed}"), vectors(seed), [png(seed)]).json()
            found = post_search(client, fingerprint, vectors(seed), min_revision=made["revision"]).json()
            if found["hits"][0]["candidates"][0]["item_id"] != made["item_id"]:
                failures.append(f"{seed} is not found after its 201")
            if step % 2:
                client.delete(f"/galleries/things/items/{made['item_id']}")
                found = post_search(client, fingerprint, vectors(seed)).json()
                if made["item_id"] in [one["item_id"] for one in found["hits"][0]["candidates"]]:
                    failures.append(f"{seed} is found after its delete")

    searchers = [threading.Thread(target=search) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(number,)) for number in (1, 2, 3)]
    for thread in searchers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in searchers:
        thread.join()
    assert failures == []
    gallery = client.get("/galleries/things").json()
    assert (gallery["items"], gallery["revision"]) == (1 + 3 * 4, 1 + 3 * 8 + 3 * 4)


def test_a_writer_is_alone_and_is_not_starved_by_readers() -> None:
    lock = ReadWriteLock()
    inside: list[str] = []
    log: list[str] = []

    def read() -> None:
        while "written" not in log:
            with lock.reading():
                inside.append("r")
                assert "w" not in inside
                time.sleep(0.001)
                inside.remove("r")

    def write() -> None:
        time.sleep(0.02)
        with lock.writing():
            assert inside == []
            inside.append("w")
            time.sleep(0.01)
            inside.remove("w")
        log.append("written")

    threads = [threading.Thread(target=read) for _ in range(4)] + [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert log == ["written"]


def test_workers_refuse_what_does_not_fit() -> None:
    async def story() -> None:
        workers = Workers("test", 1, 1)
        release = threading.Event()
        running = asyncio.create_task(workers.run(release.wait, 5))
        waiting = asyncio.create_task(workers.run(lambda: "done"))
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            await workers.run(lambda: None)
        release.set()
        assert await running
        assert await waiting == "done"
        assert await workers.run(lambda: "again") == "again"
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)
        assert workers.busy == 0
        with use_context(RequestContext(deadline=time.monotonic() - 1)), pytest.raises(DeadlineExceeded):
            await workers.run(lambda: None)
        workers.close()

    asyncio.run(story())
