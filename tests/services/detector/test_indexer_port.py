"""One contract for both adapters of ``services.detector.ports.Indexer``."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from kenspeckle.bundle import Bundle, read_bundle
from kenspeckle.types import NewItem, NewReference
from services.common.context import RequestContext, use_context
from services.common.errors import Conflict, Forbidden, NotFound, NotReady, Unauthorized, Unprocessable
from services.common.metrics import Metrics
from services.common.upstream import Upstream
from services.detector.adapters.indexer_http import HttpIndexer
from services.detector.ports import Indexer
from services.indexer.app import create_app
from services.indexer.service import IndexerService
from services.indexer.settings import IndexerSettings
from tests.fixtures.bundles import embed, thing
from tests.fixtures.stacks import encode

Vectors = NDArray[np.float32]
Story = Callable[[Indexer], Awaitable[None]]
Run = Callable[[Story], None]
ADMIN = "the-admin-key"


@pytest.fixture(scope="module")
def bundle(toy_models: Path) -> Bundle:
    return read_bundle(toy_models / "extractor")


@asynccontextmanager
async def in_process(settings: IndexerSettings) -> AsyncIterator[Indexer]:
    service = IndexerService(settings, None, Metrics("indexer"))  # type: ignore[arg-type]
    await service.start()
    yield service
    await service.stop()


@asynccontextmanager
async def over_http(settings: IndexerSettings) -> AsyncIterator[Indexer]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        Upstream("indexer", "http://indexer", None, httpx.ASGITransport(app)) as up,
    ):
        yield HttpIndexer(up)


@pytest.fixture(params=[in_process, over_http], ids=["in-process", "http"])
def run(request: pytest.FixtureRequest, tmp_path: Path, toy_models: Path) -> Run:
    """Plays a story with the admin's key against a fresh indexer."""

    def play(story: Story) -> None:
        async def tell() -> None:
            settings = IndexerSettings(models_dir=toy_models, data_dir=tmp_path, admin_key=ADMIN)  # type: ignore[arg-type]
            async with request.param(settings) as indexer:
                with use_context(RequestContext(request_id="story", token=ADMIN)):
                    await story(indexer)

        asyncio.run(tell())

    return play


def vectors(bundle: Bundle, *seeds: int) -> Vectors:
    return embed(bundle, np.stack([np.asarray(thing(seed, 32)) for seed in seeds]))


def item(bundle: Bundle, label: str, count: int = 1, **fields: str) -> NewItem:
    reference = NewReference(box=(0, 0, 32, 32), source="whole", media_type="image/png")
    return NewItem.model_validate(
        {
            "label": label,
            "fingerprint": bundle.card.fingerprint,
            "references": [reference.model_dump()] * count,
            **fields,
        }
    )


def pictures(*seeds: int) -> list[bytes]:
    return [encode(thing(seed, 32)) for seed in seeds]


def test_what_was_enrolled_is_found_at_once(run: Run, bundle: Bundle) -> None:
    async def story(indexer: Indexer) -> None:
        added = await indexer.enrol("g", item(bundle, "one", 2), vectors(bundle, 1, 2), pictures(1, 2), None)
        assert [added.label, added.created, len(added.references)] == ["one", True, 2]
        other = await indexer.enrol("g", item(bundle, "déjà", 1), vectors(bundle, 3), pictures(3), None)
        answer = await indexer.search(
            "g", bundle.card.fingerprint, vectors(bundle, 3, 1), top_k=2, min_revision=other.revision
        )
        assert answer.gallery.revision == other.revision
        assert answer.cohort_size == bundle.card.calibration.cohort_size  # type: ignore[union-attr]
        first, second = answer.hits
        assert (first.candidates[0].label, second.candidates[0].label) == ("déjà", "one")
        assert first.candidates[0].similarity == pytest.approx(1, abs=1e-4)
        assert first.other_label == "one"
        assert first.p_value == pytest.approx(1 / (answer.cohort_size + 1))
        assert second.candidates[0].reference_id == added.references[0].id

    run(story)


def test_a_repeated_request_is_answered_as_before(run: Run, bundle: Bundle) -> None:
    async def story(indexer: Indexer) -> None:
        async def add(label: str) -> str:
            answer = await indexer.enrol("g", item(bundle, label), vectors(bundle, 1), pictures(1), "key-1")
            return answer.item_id

        assert await add("one") == await add("one")
        with pytest.raises(Conflict):
            await add("two")

    run(story)


def test_errors_are_the_same_errors(run: Run, bundle: Bundle) -> None:
    fingerprint = bundle.card.fingerprint

    async def story(indexer: Indexer) -> None:
        with pytest.raises(NotFound):
            await indexer.search("nowhere", fingerprint, vectors(bundle, 1), 1, None)
        await indexer.enrol("g", item(bundle, "one"), vectors(bundle, 1), pictures(1), None)
        with pytest.raises(Conflict):
            await indexer.search("g", "sha256:other", vectors(bundle, 1), 1, None)
        with pytest.raises(NotReady) as behind:
            await indexer.search("g", fingerprint, vectors(bundle, 1), 1, 10**6)
        assert behind.value.retry_after == 1
        with pytest.raises(Unprocessable):
            await indexer.enrol("g", item(bundle, "long"), vectors(bundle, 1) * 2, pictures(1), None)

    run(story)


def test_the_callers_key_decides(run: Run, bundle: Bundle) -> None:
    async def story(indexer: Indexer) -> None:
        assert await indexer.role_of(ADMIN) == "admin"
        assert await indexer.role_of("wrong") is None
        assert await indexer.role_of(None) is None
        with use_context(RequestContext(token="wrong")), pytest.raises((Unauthorized, Forbidden)):
            await indexer.enrol("g", item(bundle, "one"), vectors(bundle, 1), pictures(1), None)

    run(story)


def test_the_fingerprints_are_those_that_can_be_searched(run: Run, bundle: Bundle) -> None:
    async def story(indexer: Indexer) -> None:
        assert list(await indexer.fingerprints()) == [bundle.card.fingerprint]

    run(story)


def test_checks_say_ok(run: Run) -> None:
    async def story(indexer: Indexer) -> None:
        for _ in range(100):
            if set((await indexer.checks()).values()) == {"ok"}:
                return
            await asyncio.sleep(0.02)
        pytest.fail(str(await indexer.checks()))

    run(story)


def test_an_indexer_out_of_reach_is_not_ready() -> None:
    async def story() -> None:
        async with Upstream("indexer", "http://127.0.0.1:9") as upstream:
            indexer = HttpIndexer(upstream)
            with pytest.raises(NotReady):
                await indexer.search("g", "f", np.ones((1, 4), np.float32), 1, None)
            assert "cannot be reached" in (await indexer.checks())["indexer"]

    asyncio.run(story())
