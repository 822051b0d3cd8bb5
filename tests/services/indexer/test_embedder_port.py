"""One contract for every way from the indexer to the extractor."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from kenspeckle.bundle import read_bundle
from kenspeckle.crop import crop_boxes
from services.common.errors import NotAPicture, NotReady, TooLarge, Unprocessable
from services.common.metrics import Metrics
from services.common.upstream import Upstream
from services.extractor.app import create_app
from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from services.indexer.adapters import HttpEmbedder
from services.indexer.ports import Embedder
from services.standalone import LocalExtractor
from tests.fixtures.bundles import EXTRACTOR_SIDE, embed, scene
from tests.fixtures.servers import serving

Run = Callable[[Callable[[Embedder], Awaitable[None]]], None]
LEFT, RIGHT = (80.0, 100.0, 240.0, 260.0), (400.0, 100.0, 560.0, 260.0)


@asynccontextmanager
async def in_process(settings: ExtractorSettings) -> AsyncIterator[Embedder]:
    extraction = Extraction(settings, Metrics("extractor"))
    await extraction.start()
    yield LocalExtractor(extraction)
    await extraction.close()


@asynccontextmanager
async def over_a_socket(settings: ExtractorSettings) -> AsyncIterator[Embedder]:
    with serving(create_app(settings)) as url:
        async with Upstream("extractor", url) as upstream:
            yield HttpEmbedder(upstream)


@pytest.fixture(params=[in_process, over_a_socket], ids=lambda way: way.__name__)
def run(request: pytest.FixtureRequest, models: Path) -> Run:
    """Runs a scenario with an extractor at the other end."""

    def call(scenario: Callable[[Embedder], Awaitable[None]]) -> None:
        async def main() -> None:
            settings = ExtractorSettings(models_dir=models, threads=1, max_request_crops=4, max_pixels=300_000)
            async with request.param(settings) as embedder:
                await scenario(embedder)

        asyncio.run(main())

    return call


def png(width: int = 640, height: int = 400) -> bytes:
    stream = io.BytesIO()
    scene(1, 2, width, height).save(stream, "PNG")
    return stream.getvalue()


def test_boxes_of_a_picture_are_cut_by_the_cards_rule_and_embedded_in_their_order(run: Run, models: Path) -> None:
    bundle = read_bundle(models / "extractor")
    assert bundle.card.crop is not None
    crops = crop_boxes(scene(1, 2), [RIGHT, LEFT], bundle.card.crop, EXTRACTOR_SIDE, EXTRACTOR_SIDE, "bilinear")

    async def scenario(embedder: Embedder) -> None:
        assert (await embedder.info()).fingerprint == bundle.card.fingerprint
        got = await embedder.embed_picture(png(), [RIGHT, LEFT])
        np.testing.assert_allclose(got, embed(bundle, crops), atol=1e-6)

    run(scenario)


@pytest.mark.parametrize(
    ("picture", "boxes", "error"),
    [
        (b"no picture", [LEFT], NotAPicture),
        (png()[:-2000], [LEFT], Unprocessable),
        (png(), [(900.0, 10.0, 950.0, 20.0)], Unprocessable),
        (png(), [], Unprocessable),
        (png(), [LEFT] * 5, TooLarge),
        (png(1000, 400), [LEFT], TooLarge),
    ],
    ids=["no picture", "cut off", "box outside", "no boxes", "too many boxes", "too many pixels"],
)
def test_what_cannot_be_embedded_is_refused(
    run: Run, picture: bytes, boxes: list[tuple[float, float, float, float]], error: type[Exception]
) -> None:
    async def scenario(embedder: Embedder) -> None:
        with pytest.raises(error):
            await embedder.embed_picture(picture, boxes)

    run(scenario)


def test_an_extractor_that_is_not_there_is_not_ready() -> None:
    async def main() -> None:
        async with Upstream("extractor", "http://127.0.0.1:9") as upstream:
            with pytest.raises(NotReady):
                await HttpEmbedder(upstream).embed_picture(png(), [LEFT])

    asyncio.run(main())
