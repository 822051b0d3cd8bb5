"""The detector's application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.common.app import new_app
from services.common.metrics import Metrics
from services.common.upstream import Upstream
from services.detector.adapters.extractor_http import HttpExtractor
from services.detector.adapters.indexer_http import HttpIndexer
from services.detector.api import recognition_router
from services.detector.authority import IndexerAuthority
from services.detector.service import DetectorService
from services.detector.settings import DetectorSettings
from services.detector.static import console_router


def create_app(settings: DetectorSettings) -> FastAPI:
    """The application; the model is loaded when it starts."""
    metrics = Metrics("detector")
    admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
    to_extractor = Upstream("extractor", settings.extractor_url, admin_key)
    to_indexer = Upstream("indexer", settings.indexer_url)
    indexer = HttpIndexer(to_indexer)
    service = DetectorService(settings, HttpExtractor(to_extractor), indexer, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        service.close()
        await to_extractor.close()
        await to_indexer.close()

    app = new_app(
        name="detector",
        description="The public door: pictures in, recognised things out.",
        metrics=metrics,
        checks=service.checks,
        authority=IndexerAuthority(indexer),
        lifespan=lifespan,
        max_body_bytes=lambda _: settings.max_body_bytes,
    )
    app.include_router(recognition_router(service, settings.upload_seconds, settings.max_pictures))
    app.include_router(console_router())
    return app
