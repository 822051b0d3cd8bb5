"""/livez, /readyz and /metrics."""

from collections.abc import Awaitable, Callable, Collection, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from kenspeckle.types import HealthDetail
from services.common.metrics import Metrics

Checks = Callable[[], Awaitable[Mapping[str, str]]]
Fingerprints = Callable[[], Collection[str]]


def health_router(checks: Checks, metrics: Metrics, fingerprints: Fingerprints) -> APIRouter:
    """Routes that need no key.

    Args:
        checks: gives 'ok' or a reason per thing that has to be in order.
        fingerprints: gives those of the embeddings that the service can search.
    """
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="The process answers")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/readyz",
        summary="Everything that is needed is in order",
        response_model=HealthDetail,
        responses={503: {"model": HealthDetail}},
    )
    async def readyz() -> JSONResponse:
        found = dict(await checks())
        ready = all(state == "ok" for state in found.values())
        detail = HealthDetail(ready=ready, checks=found, fingerprints=list(fingerprints()))
        headers = {} if detail.ready else {"Retry-After": "1"}
        return JSONResponse(detail.model_dump(), 200 if detail.ready else 503, headers=headers)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics_text() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4")

    return router
