"""What both clients do alike around sending: settings, requests, files, bookkeeping."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from kenspeckle import __version__
from kenspeckle.client.call import Call, FileChunks, Session
from kenspeckle.client.errors import Busy, KenspeckleError
from kenspeckle.client.retry import RetryPolicy

T = TypeVar("T")
DEFAULT_URL = "http://127.0.0.1:8000"


class Transport:
    """Settings and memory of a client.

    Args:
        url: address of the service; default ``KENSPECKLE_URL``, then ``http://127.0.0.1:8000``.
        key: API key; default ``KENSPECKLE_KEY``, then none.
        timeout: seconds without a byte after which a try is given up.
        retry: when to try again.

    Raises:
        KenspeckleError: if the address or the key cannot be one.
    """

    def __init__(
        self, url: str | None = None, key: str | None = None, timeout: float = 60.0, retry: RetryPolicy | None = None
    ) -> None:
        self.url = (url or os.environ.get("KENSPECKLE_URL") or DEFAULT_URL).rstrip("/")
        if not _is_address(self.url):
            raise KenspeckleError(f"{self.url!r} is not an address such as {DEFAULT_URL}")
        self.session = Session()
        self.retry = retry or RetryPolicy()
        secret = key or os.environ.get("KENSPECKLE_KEY")
        if secret and not (secret.isascii() and secret.isprintable()):
            raise KenspeckleError("the key holds characters that no key has")
        self.options: dict[str, Any] = {
            "base_url": self.url,
            "timeout": httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            "headers": {
                "User-Agent": f"kenspeckle/{__version__}",
                **({"Authorization": f"Bearer {secret}"} if secret else {}),
            },
        }

    def request(self, http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        """The request of a call."""
        content: bytes | FileChunks | AsyncIterator[bytes] | None = call.content
        if isinstance(content, FileChunks) and isinstance(http, httpx.AsyncClient):
            content = content.chunks()
        return http.build_request(
            call.method,
            call.path,
            params=dict(call.params) or None,
            headers=dict(call.headers),
            content=content,
            data=dict(call.data) if call.data is not None else None,
            files=list(call.files) if call.files is not None else None,
            json=call.json,
        )

    def result(self, call: Call[T], response: httpx.Response) -> T:
        """Parse a good answer and remember what it says."""
        result = call.parse(response)
        if call.settled:
            call.settled(self.session, result)
        return result

    @contextlib.contextmanager
    def bookkeeping(self, call: Call[Any]) -> Iterator[None]:
        """Forget a remembered revision that the service cannot reach: the gallery was made anew by somebody else."""
        try:
            yield
        except Busy as error:
            if call.gallery and error.slug == "not-ready":
                self.session.forget(call.gallery)
            raise


def _is_address(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)


@contextlib.contextmanager
def saving(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Write a file beside ``path`` and put it in its place only if everything went well."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            try:
                yield file.write
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                os.unlink(name)
                raise
        os.replace(name, path)
    except OSError as error:
        raise KenspeckleError(f"{path} cannot be written: {error.strerror or error}") from error
