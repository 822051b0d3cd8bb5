"""The extractor's application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.common.app import new_app
from services.common.keys import AdminKeyAuthority
from services.common.metrics import Metrics
from services.extractor.api import embed_router, models_router
from services.extractor.extraction import Extraction
from services.extractor.inference_protocol import protocol_router
from services.extractor.settings import ExtractorSettings


def create_app(settings: ExtractorSettings) -> FastAPI:
    """The application; models are loaded when it starts."""
    metrics = Metrics("extractor")
    extraction = Extraction(settings, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await extraction.start()
        yield
        await extraction.close()

    admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
    app = new_app(
        name="extractor",
        description="Embeddings of crops. Internal: only the other services call it.",
        metrics=metrics,
        checks=extraction.checks,
        authority=AdminKeyAuthority(admin_key),
        lifespan=lifespan,
        max_body_bytes=lambda _: settings.max_body_bytes,
    )
    app.include_router(embed_router(extraction, metrics))
    app.include_router(models_router(extraction))
    app.include_router(protocol_router(extraction))
    return app
