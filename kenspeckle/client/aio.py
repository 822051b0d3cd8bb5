"""The client for programs on an event loop."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from kenspeckle.client import galleries as stored
from kenspeckle.client import operations, recognition
from kenspeckle.client.call import Call, Session
from kenspeckle.client.retry import Attempts, RetryPolicy
from kenspeckle.client.transport import Transport, saving
from kenspeckle.types import Page

P = ParamSpec("P")
T = TypeVar("T")


def _method(
    build: Callable[Concatenate[Session, P], Call[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """A method that sends what ``build`` makes and has its parameters and documentation."""

    @functools.wraps(build)
    async def method(client: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = await asyncio.to_thread(build, client.transport.session, *args, **kwargs)
        return await client.send(call)

    return method


def _listing(
    build: Callable[Concatenate[Session, P], Call[Page[T]]],
) -> Callable[Concatenate["AsyncClient", P], AsyncIterator[T]]:
    """A method that gives the entries of all pages, fetching as it goes."""

    @functools.wraps(build)
    async def method(client: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        while True:
            page = await client.send(build(client.transport.session, *args, **kwargs))
            for entry in page.items:
                yield entry
            if page.next_cursor is None:
                return
            kwargs["cursor"] = page.next_cursor

    return method


class AsyncClient:
    """``Client`` for event loops: the same parameters and methods, to be awaited; listings are ``async for``."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retry: RetryPolicy | None = None,
        http_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.transport = Transport(url, key, timeout, retry)
        self._http = httpx.AsyncClient(**self.transport.options, transport=http_transport)

    async def send(self, call: Call[T]) -> T:
        """Send a call, try again where that is safe, and give its result."""
        attempts = Attempts(call, self.transport.retry)
        with self.transport.bookkeeping(call):
            while True:
                request = self.transport.request(self._http, call)
                try:
                    response = await self._fetch(request, call)
                except httpx.TransportError as error:
                    wait: float | None = attempts.after_failure(self.transport.url, error)
                else:
                    wait = attempts.after_answer(response)
                    if wait is None:
                        return self.transport.result(call, response)
                await asyncio.sleep(wait or 0.0)

    async def _fetch(self, request: httpx.Request, call: Call[T]) -> httpx.Response:
        response = await self._http.send(request, stream=True)
        try:
            if call.save_to is None or response.is_error:
                await response.aread()
                return response
            with saving(call.save_to) as write:
                async for chunk in response.aiter_bytes():
                    write(chunk)
                    if call.progress:
                        call.progress(len(chunk))
            return response
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    recognize = _method(recognition.recognize)
    detect = _method(recognition.detect)
    enrol = _method(recognition.enrol)

    galleries = _listing(stored.gallery_page)
    create_gallery = _method(stored.create_gallery)
    gallery = _method(stored.gallery)
    update_gallery = _method(stored.update_gallery)
    delete_gallery = _method(stored.delete_gallery)
    export_gallery = _method(stored.export_gallery)
    import_gallery = _method(stored.import_gallery)
    reembed_gallery = _method(stored.reembed_gallery)
    search = _method(stored.search)

    items = _listing(stored.item_page)
    item_page = _method(stored.item_page)
    item = _method(stored.item)
    update_item = _method(stored.update_item)
    delete_item = _method(stored.delete_item)
    delete_reference = _method(stored.delete_reference)
    reference_picture = _method(stored.reference_picture)

    jobs = _listing(operations.job_page)
    job = _method(operations.job)
    cancel_job = _method(operations.cancel_job)
    keys = _listing(operations.key_page)
    create_key = _method(operations.create_key)
    delete_key = _method(operations.delete_key)
    models = _method(operations.models)
    ready = _method(operations.ready)
