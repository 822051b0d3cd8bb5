"""ASGI middleware: request id, deadline, caller's token, body limit, access log and request metrics."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.context import RequestContext, use_context
from services.common.errors import Malformed, ServiceError, TooLarge
from services.common.metrics import Metrics
from services.common.problems import response_of

REQUEST_ID = re.compile(rb"^[\x21-\x7e]{1,128}$")
QUIET = ("/livez", "/readyz", "/metrics")
CLIENT_GONE = 499  # the usual number, in metrics and logs only: nobody reads the answer
log = structlog.get_logger()


class RequestMiddleware:
    """Outermost layer of every service: nothing is parsed before it has looked at the request.

    Args:
        max_body_bytes: limit for a request's path and declared size; chunked bodies are counted while they
            arrive. A function, so that single routes (imports) can have another limit.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, max_body_bytes: Callable[[str], int | None]) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        started = time.monotonic()
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if REQUEST_ID.match(given) else uuid.uuid4().hex
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                context = _context(headers, request_id, started)
                limited = _limit_body(receive, headers, self._max_body_bytes(scope["path"]))
            except ServiceError as error:
                with use_context(RequestContext(request_id)):
                    await response_of(error)(scope, receive, send_marked)
            else:
                with use_context(context):
                    try:
                        await self._app(scope, limited, send_marked)
                    except ServiceError as error:
                        await response_of(error)(scope, receive, send_marked)
                    except ClientDisconnect:
                        status = CLIENT_GONE
                    except Exception as error:
                        log.exception("unexpected_error", error=repr(error))
                        if status:  # the answer has begun: only breaking the connection tells the client
                            raise
                        fault = ServiceError("this is a fault of the service; the log has it under the request id")
                        await response_of(fault)(scope, receive, send_marked)
            seconds = time.monotonic() - started
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.request(route, scope["method"], status, seconds)
            if scope["path"] not in QUIET:
                log.info(
                    "request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1e3, 1)
                )


def _context(headers: dict[bytes, bytes], request_id: str, started: float) -> RequestContext:
    deadline = None
    if raw := headers.get(b"kenspeckle-deadline-ms"):
        if not raw.isdigit() or not 0 < int(raw) <= 3_600_000:
            raise Malformed("Kenspeckle-Deadline-Ms must be a whole number of milliseconds, at most an hour")
        deadline = started + int(raw) / 1000
    kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return RequestContext(request_id, deadline, token.strip() if kind.lower() == "bearer" and token else None)


def _limit_body(receive: Receive, headers: dict[bytes, bytes], limit: int | None) -> Receive:
    if limit is None:
        return receive
    excess = TooLarge(f"the body is larger than {limit} bytes; send a smaller picture")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise excess
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise excess
        return message

    return counted
