"""What every service's FastAPI application has in common."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi.routing import APIRoute

import kenspeckle
from kenspeckle.types import Problem
from services.common.health import Checks, Fingerprints, health_router
from services.common.keys import KeyAuthority
from services.common.metrics import Metrics
from services.common.middleware import RequestMiddleware
from services.common.problems import MEDIA_TYPE, install

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def new_app(
    name: str,
    description: str,
    metrics: Metrics,
    checks: Checks,
    authority: KeyAuthority,
    lifespan: Lifespan,
    max_body_bytes: Callable[[str], int | None],
    fingerprints: Fingerprints = tuple,
) -> FastAPI:
    """An application with problem documents, limits, health routes and metrics, and no routes of its own yet.

    Args:
        name: of the service, for the title.
        checks: what ``/readyz`` asks.
        authority: who knows the roles of keys (``app.state.authority``).
        max_body_bytes: limit of a body by request path; None for no limit.
        fingerprints: of the embeddings that the service can search, for ``/readyz``.
    """
    problem = {"description": "Problem", "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    app = FastAPI(
        title=f"Kenspeckle {name}",
        version=kenspeckle.__version__,
        description=description,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses={"default": {**problem, "model": Problem}},
    )
    app.state.authority = authority
    app.state.metrics = metrics
    install(app)
    app.include_router(health_router(checks, metrics, fingerprints))
    app.add_middleware(RequestMiddleware, metrics=metrics, max_body_bytes=max_body_bytes)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
