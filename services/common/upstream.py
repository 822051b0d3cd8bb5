"""Calling another service over HTTP: context passed on, problems turned back into errors."""

from types import TracebackType
from typing import Any

import httpx

from services.common.context import current
from services.common.errors import DeadlineExceeded, NotReady
from services.common.problems import error_of

CONNECT_S = 2.0
READ_S = 60.0
KEEP_ALIVE_S = 30.0  # less than the servers' own (services.common.serve)


class Upstream:
    """A connection pool to one service.

    Args:
        name: of the service, for messages.
        token: sent instead of the caller's, where services talk among themselves.
        transport: for tests.
    """

    def __init__(
        self, name: str, url: str, token: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._name = name
        self._token = token
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=KEEP_ALIVE_S)
        self._client = httpx.AsyncClient(
            base_url=url, transport=transport, limits=limits, timeout=httpx.Timeout(READ_S, connect=CONNECT_S)
        )

    async def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request. Keyword arguments as of ``httpx.AsyncClient.request``.

        Raises:
            ServiceError: what the service answered; NotReady if it cannot be reached; DeadlineExceeded.
        """
        context = current()
        headers = dict(request.pop("headers", None) or {})
        if context.request_id:
            headers["X-Request-ID"] = context.request_id
        left = context.seconds_left()
        if left is not None:
            headers["Kenspeckle-Deadline-Ms"] = str(max(1, int(left * 1000)))
            request["timeout"] = httpx.Timeout(left, connect=min(left, CONNECT_S))
        token = self._token or context.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = await self._client.request(method, path, headers=headers, **request)
        except httpx.ConnectTimeout as error:
            raise NotReady(f"the {self._name} does not answer", retry_after=1) from error
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(f"the {self._name} took too long") from error
        except httpx.TransportError as error:
            raise NotReady(f"the {self._name} cannot be reached: {error}", retry_after=1) from error
        if response.status_code >= 400:
            raise error_of(response.status_code, response.content, response.headers.get("Retry-After"))
        return response

    async def check(self) -> str:
        """'ok' if the service is ready, else the reason."""
        try:
            response = await self._client.get("/readyz", timeout=2.0)
        except httpx.TransportError as error:
            return f"the {self._name} cannot be reached: {error or type(error).__name__}"
        if response.status_code == 200:
            return "ok"
        try:
            checks = response.json()["checks"]
            return "; ".join(f"{thing}: {state}" for thing, state in checks.items() if state != "ok")
        except (ValueError, KeyError, AttributeError):
            return f"the {self._name} answers {response.status_code}"

    async def close(self) -> None:
        """Close the pool."""
        await self._client.aclose()

    async def __aenter__(self) -> "Upstream":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
