"""All three services in one process on one port."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from kenspeckle.types import Box, ModelInfo, NewGallery
from services.common.app import new_app
from services.common.errors import Conflict
from services.common.metrics import Metrics
from services.common.serve import check_exposure
from services.common.serve import serve as serve_app
from services.common.settings import CommonSettings
from services.detector.api import recognition_router
from services.detector.ports import Embedded
from services.detector.service import DetectorService
from services.detector.settings import DetectorSettings
from services.detector.static import console_router
from services.extractor.api import embed_router
from services.extractor.extraction import Extraction
from services.extractor.inference_protocol import protocol_router
from services.extractor.settings import ExtractorSettings
from services.indexer.api.galleries import galleries_router
from services.indexer.api.items import items_router
from services.indexer.api.operations import operations_router
from services.indexer.app import body_limit
from services.indexer.service import IndexerService
from services.indexer.settings import IndexerSettings

DEFAULT_GALLERY = "default"


class LocalExtractor:
    """The extractor's use case behind ``services.detector.ports.Extractor`` and ``services.indexer.ports.Embedder``."""

    def __init__(self, extraction: Extraction) -> None:
        self._extraction = extraction

    async def info(self) -> ModelInfo:
        return await self._extraction.info()

    async def embed(self, crops: NDArray[np.uint8]) -> Embedded:
        fingerprint = (await self._extraction.info()).fingerprint
        return Embedded(fingerprint, await self._extraction.embed(crops))

    async def embed_picture(self, picture: bytes, boxes: Sequence[Box]) -> NDArray[np.float32]:
        return await self._extraction.embed_picture(picture, boxes)

    async def checks(self) -> Mapping[str, str]:
        return {f"extractor {name}": state for name, state in (await self._extraction.checks()).items()}


def create_app(
    detector_settings: DetectorSettings, extractor_settings: ExtractorSettings, indexer_settings: IndexerSettings
) -> FastAPI:
    """The application; models, database and galleries are opened when it starts."""
    registry = CollectorRegistry()
    metrics = {name: Metrics(name, registry) for name in ("detector", "extractor", "indexer")}
    extraction = Extraction(extractor_settings, metrics["extractor"])
    extractor = LocalExtractor(extraction)
    indexer = IndexerService(indexer_settings, extractor, metrics["indexer"])
    detector = DetectorService(detector_settings, extractor, indexer, metrics["detector"])

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.gather(extraction.start(), indexer.start(), detector.start())
        await indexer.store.run(_make_default_gallery, indexer)
        yield
        detector.close()
        await indexer.stop()
        await extraction.close()

    limit = body_limit(indexer_settings)
    app = new_app(
        name="",
        description="Recognition of your own things: detector, extractor and indexer in one process.",
        metrics=metrics["detector"],
        checks=detector.checks,
        authority=indexer.keys,
        lifespan=lifespan,
        max_body_bytes=lambda path: limit(path) if path.startswith("/galleries/") else detector_settings.max_body_bytes,
        fingerprints=indexer.cohorts.fingerprints,
    )
    app.include_router(recognition_router(detector, detector_settings.upload_seconds, detector_settings.max_pictures))
    app.include_router(galleries_router(indexer, indexer_settings.max_import_bytes))
    app.include_router(items_router(indexer))
    app.include_router(operations_router(indexer))
    # Its own list of models is left out: the detector's has them all.
    app.include_router(embed_router(extraction, metrics["extractor"]))
    app.include_router(protocol_router(extraction))
    app.include_router(console_router())
    return app


def serve(host: str, port: int, data: Path, models: Path, insecure: bool) -> None:
    """Serve until SIGTERM or SIGINT. Everything else comes from ``KENSPECKLE_…`` variables."""
    given: dict[str, Any] = {"host": host, "port": port, "models_dir": models}
    if insecure:
        given["insecure"] = True
    settings = CommonSettings(**given)
    check_exposure(settings)
    app = create_app(DetectorSettings(**given), ExtractorSettings(**given), IndexerSettings(**given, data_dir=data))
    serve_app(app, settings)


def _make_default_gallery(indexer: IndexerService) -> None:
    try:
        indexer.galleries.create(NewGallery(name=DEFAULT_GALLERY))
    except Conflict:
        return
