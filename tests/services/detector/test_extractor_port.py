"""One contract for every way from the detector to the extractor."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request
from numpy.typing import NDArray

from kenspeckle.bundle import read_bundle
from services.common.context import RequestContext, use_context
from services.common.errors import (
    DeadlineExceeded,
    NotReady,
    Overloaded,
    ServiceError,
    TooLarge,
    Unauthorized,
    Unprocessable,
)
from services.common.metrics import Metrics
from services.common.upstream import Upstream
from services.detector.adapters.extractor_http import HttpExtractor
from services.detector.ports import Extractor
from services.extractor.app import create_app
from services.extractor.extraction import Extraction
from services.extractor.model import EmbeddingModel
from services.extractor.settings import ExtractorSettings
from services.standalone import LocalExtractor
from tests.fixtures.bundles import DIM, EXTRACTOR_SIDE, embed, thing
from tests.fixtures.servers import serving

Way = Callable[[ExtractorSettings], AbstractAsyncContextManager[Extractor]]
Run = Callable[..., None]


@asynccontextmanager
async def in_process(settings: ExtractorSettings) -> AsyncIterator[Extractor]:
    extraction = Extraction(settings, Metrics("extractor"))
    await extraction.start()
    yield LocalExtractor(extraction)
    await extraction.close()


@asynccontextmanager
async def over_http(settings: ExtractorSettings) -> AsyncIterator[Extractor]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        Upstream("extractor", "http://extractor", transport=httpx.ASGITransport(app)) as upstream,
    ):
        yield HttpExtractor(upstream)


@asynccontextmanager
async def over_a_socket(settings: ExtractorSettings) -> AsyncIterator[Extractor]:
    with serving(create_app(settings)) as url:
        async with Upstream("extractor", url) as upstream:
            yield HttpExtractor(upstream)


@pytest.fixture(params=[in_process, over_http, over_a_socket], ids=lambda way: way.__name__)
def run(request: pytest.FixtureRequest, toy_models: Path) -> Run:
    """Runs a scenario with an extractor at the other end."""
    way: Way = request.param

    def call(scenario: Callable[[Extractor], Awaitable[None]], **settings: Any) -> None:
        async def main() -> None:
            values = {"models_dir": toy_models, "threads": 1, "max_request_crops": 8, **settings}
            async with way(ExtractorSettings(**values)) as extractor:
                await scenario(extractor)

        asyncio.run(main())

    return call


class Gate:
    """Holds every model run until it is opened; ``runs`` are the sizes of the batches."""

    def __init__(self) -> None:
        self.runs: list[int] = []
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    async def reached(self, runs: int) -> None:
        while len(self.runs) < runs:
            await asyncio.sleep(0.002)

    def hold(self, crops: NDArray[np.uint8]) -> None:
        self.runs.append(len(crops))
        assert self._open.wait(10)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    run_model = EmbeddingModel.run

    def held(self: EmbeddingModel, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        gate.hold(crops)
        return run_model(self, crops)

    monkeypatch.setattr(EmbeddingModel, "run", held)
    return gate


def things(*seeds: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(thing(seed, EXTRACTOR_SIDE)) for seed in seeds])


def test_the_model_is_described_with_all_that_the_detector_needs(run: Run, toy_models: Path) -> None:
    card = read_bundle(toy_models / "extractor").card

    async def scenario(extractor: Extractor) -> None:
        info = await extractor.info()
        assert (info.name, info.fingerprint, info.dim) == ("toy-extractor", card.fingerprint, DIM)
        assert (info.width, info.height, info.interpolation) == (EXTRACTOR_SIDE, EXTRACTOR_SIDE, "bilinear")
        assert info.crop == card.crop
        assert card.calibration is not None
        assert info.calibrator == card.calibration.calibrator

    run(scenario)


def test_crops_get_the_bundles_embeddings_in_their_order(run: Run, toy_models: Path) -> None:
    bundle = read_bundle(toy_models / "extractor")

    async def scenario(extractor: Extractor) -> None:
        got = await extractor.embed(things(3, 1, 2))
        assert got.fingerprint == bundle.card.fingerprint
        assert got.vectors.dtype == np.float32
        np.testing.assert_allclose(got.vectors, embed(bundle, things(3, 1, 2)), atol=1e-6)

    run(scenario)


def test_what_other_requests_send_at_the_same_time_changes_nothing(run: Run, gate: Gate) -> None:
    async def scenario(extractor: Extractor) -> None:
        gate.open()
        alone = (await extractor.embed(things(1))).vectors
        several = await asyncio.gather(*(extractor.embed(things(1, seed)) for seed in range(20, 32)))
        for got in several:
            np.testing.assert_allclose(got.vectors[0], alone[0], atol=1e-6)

    run(scenario)


def test_a_ready_extractor_says_ok(run: Run) -> None:
    async def scenario(extractor: Extractor) -> None:
        assert set((await extractor.checks()).values()) == {"ok"}

    run(scenario)


def test_without_a_model_everything_says_why(run: Run, tmp_path: Path) -> None:
    async def scenario(extractor: Extractor) -> None:
        with pytest.raises(NotReady, match="no such folder"):
            await extractor.info()
        with pytest.raises(NotReady, match="no such folder"):
            await extractor.embed(things(1))
        assert "no such folder" in str(dict(await extractor.checks()))

    run(scenario, models_dir=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("crops", "error"),
    [
        (np.zeros((0, EXTRACTOR_SIDE, EXTRACTOR_SIDE, 3), np.uint8), Unprocessable),
        (np.zeros((1, EXTRACTOR_SIDE, 5, 3), np.uint8), Unprocessable),
        (np.zeros((9, EXTRACTOR_SIDE, EXTRACTOR_SIDE, 3), np.uint8), TooLarge),
    ],
    ids=["none", "another size", "too many"],
)
def test_crops_that_cannot_be_embedded_are_refused(
    run: Run, crops: NDArray[np.uint8], error: type[ServiceError]
) -> None:
    async def scenario(extractor: Extractor) -> None:
        with pytest.raises(error):
            await extractor.embed(crops)

    run(scenario)


def test_a_deadline_ends_the_wait(run: Run, gate: Gate) -> None:
    async def scenario(extractor: Extractor) -> None:
        try:
            for left in (-1.0, 0.1):
                with (
                    use_context(RequestContext("a", time.monotonic() + left)),
                    pytest.raises(DeadlineExceeded),
                ):
                    await extractor.embed(things(1))
        finally:
            gate.open()

    run(scenario)


def test_a_full_queue_refuses_and_says_when_to_come_back(run: Run, gate: Gate) -> None:
    async def scenario(extractor: Extractor) -> None:
        running = asyncio.create_task(extractor.embed(things(1)))
        await gate.reached(1)
        waiting = [asyncio.create_task(extractor.embed(things(seed, seed))) for seed in (2, 3, 4)]
        done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refusal = done.pop().exception()
        assert isinstance(refusal, Overloaded)
        assert refusal.retry_after == 1
        gate.open()
        await asyncio.gather(running, *others)

    run(scenario, max_queued_crops=4)


def test_the_work_of_a_caller_who_left_is_not_done(run: Run, gate: Gate) -> None:
    async def scenario(extractor: Extractor) -> None:
        running = asyncio.create_task(extractor.embed(things(1)))
        await gate.reached(1)
        left = asyncio.create_task(extractor.embed(things(2, 3)))
        await asyncio.sleep(0.1)
        left.cancel()
        await asyncio.wait([left])
        await asyncio.sleep(0.1)
        gate.open()
        await running
        await extractor.embed(things(4, 5, 6))
        assert gate.runs == [1, 3]

    run(scenario)


def test_over_http_the_request_id_and_the_key_travel_along() -> None:
    seen: list[tuple[str | None, str | None]] = []
    app = FastAPI()

    @app.get("/models")
    async def models(request: Request) -> list[str]:
        seen.append((request.headers.get("X-Request-ID"), request.headers.get("Authorization")))
        return []

    async def main() -> None:
        async with Upstream("extractor", "http://x", "s3cret", httpx.ASGITransport(app)) as upstream:
            with use_context(RequestContext("r-17", token="the caller's own")), pytest.raises(NotReady):
                await HttpExtractor(upstream).info()

    asyncio.run(main())
    assert seen == [("r-17", "Bearer s3cret")]


def test_over_http_a_wrong_key_is_told_as_such(toy_models: Path) -> None:
    settings = ExtractorSettings.model_validate({"models_dir": toy_models, "admin_key": "right"})

    async def main() -> None:
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            Upstream("extractor", "http://x", "wrong", httpx.ASGITransport(app)) as upstream,
        ):
            with pytest.raises(Unauthorized):
                await HttpExtractor(upstream).embed(things(1))

    asyncio.run(main())


def test_an_extractor_that_is_not_there_is_not_ready() -> None:
    async def main() -> None:
        async with Upstream("extractor", "http://127.0.0.1:9") as upstream:
            extractor = HttpExtractor(upstream)
            with pytest.raises(NotReady, match="extractor cannot be reached"):
                await extractor.embed(things(1))
            assert "cannot be reached" in (await extractor.checks())["extractor"]

    asyncio.run(main())
