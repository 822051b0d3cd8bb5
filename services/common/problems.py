"""Errors as ``application/problem+json`` (RFC 9457), and back."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from kenspeckle.types import Problem
from services.common.context import current
from services.common.errors import (
    ERRORS,
    STATUS,
    Malformed,
    NotFound,
    NotReady,
    ServiceError,
    TooLarge,
    Unauthorized,
    Unprocessable,
)

MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger()


def problem_of(error: ServiceError) -> Problem:
    """The problem document of an error."""
    return Problem(
        type=f"urn:kenspeckle:problem:{error.slug}",
        title=error.title,
        status=STATUS[error.slug],
        detail=error.detail,
        field=error.field,
        request_id=current().request_id,
    )


def response_of(error: ServiceError) -> JSONResponse:
    """The HTTP answer of an error."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    elif STATUS[error.slug] in (429, 503):
        headers["Retry-After"] = "1"
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    body = problem_of(error)
    if isinstance(error, NotReady):
        log.warning("not_ready", reason=error.detail)
    return JSONResponse(body.model_dump(mode="json"), body.status, headers=headers, media_type=MEDIA_TYPE)


def error_of(status: int, body: bytes, retry_after: str | None = None) -> ServiceError:
    """The error that another service answered with (the inverse of ``response_of``)."""
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return NotReady(f"a service behind this one answered {status} without a reason")
    error = ERRORS.get(problem.type.rsplit(":", 1)[-1], ServiceError)
    seconds = int(retry_after) if retry_after and retry_after.isdigit() else None
    return error(problem.detail, problem.field, seconds)


def from_validation(errors: list[Any]) -> ServiceError:
    """The error for pydantic's complaints: the first one, with its field."""
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(place) or None
    if first["type"] in ("json_invalid", "model_attributes_type") or not first["loc"]:
        return Malformed(f"the body is not what this call reads: {first['msg']}", field)
    return Unprocessable(f"{field}: {first['msg']}" if field else str(first["msg"]), field)


def install(app: FastAPI) -> None:
    """Make every refusal of ``app`` a problem document; ``RequestMiddleware`` does so with the unexpected."""

    @app.exception_handler(ServiceError)
    async def _service(_: Request, error: ServiceError) -> JSONResponse:
        return response_of(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return response_of(from_validation(list(error.errors())))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return response_of(NotFound("there is nothing at this address"))
        if error.status_code == 413:
            return response_of(TooLarge(str(error.detail)))
        body = problem_of(Malformed(str(error.detail))).model_copy(update={"status": error.status_code})
        return JSONResponse(
            body.model_dump(mode="json"), error.status_code, headers=dict(error.headers or {}), media_type=MEDIA_TYPE
        )
