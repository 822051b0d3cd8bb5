"""The indexer's application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.common.app import new_app
from services.common.metrics import Metrics
from services.common.settings import MEBIBYTE
from services.common.upstream import Upstream
from services.indexer.adapters import HttpEmbedder
from services.indexer.api.galleries import galleries_router
from services.indexer.api.items import items_router
from services.indexer.api.operations import models_router, operations_router
from services.indexer.service import IndexerService
from services.indexer.settings import IndexerSettings

# An enrolment comes with its embeddings beside the pictures that the detector accepted.
EMBEDDINGS_BYTES = 8 * MEBIBYTE


def create_app(settings: IndexerSettings) -> FastAPI:
    """The application; the database is opened and the galleries are loaded when it starts."""
    metrics = Metrics("indexer")
    admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
    upstream = Upstream("extractor", settings.extractor_url, admin_key)
    service = IndexerService(settings, HttpEmbedder(upstream), metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()
        await upstream.close()

    app = new_app(
        name="indexer",
        description="Galleries: the truth in a database, searched by exact vector search.",
        metrics=metrics,
        checks=service.checks,
        authority=service.keys,
        lifespan=lifespan,
        max_body_bytes=body_limit(settings),
        fingerprints=service.cohorts.fingerprints,
    )
    app.include_router(galleries_router(service, settings.max_import_bytes))
    app.include_router(items_router(service))
    app.include_router(operations_router(service))
    app.include_router(models_router(service))
    return app


def body_limit(settings: IndexerSettings) -> Callable[[str], int]:
    """The limit of a body by path: imports are whole galleries."""

    def limit(path: str) -> int:
        if path.startswith("/galleries/") and path.endswith("/import"):
            return settings.max_import_bytes
        return settings.max_body_bytes + EMBEDDINGS_BYTES

    return limit
