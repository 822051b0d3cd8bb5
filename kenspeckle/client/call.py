"""A call: everything about one request and its answer, before anything is sent."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from kenspeckle.client.errors import UnexpectedAnswer

T = TypeVar("T")
CHUNK_BYTES = 256 * 1024

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and how its answer is read.

    Args:
        parse: makes the result of a successful answer (the body has been read, or saved to ``save_to``).
        repeatable: whether sending it twice does no more than sending it once.
        also_accepted: error statuses whose answers are results all the same.
        save_to: file that the body is streamed to instead of into memory.
        progress: told the number of bytes of each chunk saved.
        settled: told the session and the result once it is there.
        gallery: gallery whose remembered revision went into the request.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | FileChunks | None = None
    data: Mapping[str, str] | None = None
    files: Sequence[tuple[str, tuple[str, bytes, str]]] | None = None
    json: Any = None
    repeatable: bool = False
    also_accepted: frozenset[int] = frozenset()
    save_to: Path | None = None
    progress: Progress | None = None
    settled: Callable[[Session, T], None] | None = None
    gallery: str | None = None


class Session:
    """What a client remembers between calls: the newest revision of each gallery that its own writes made.

    Searches send it along, so that they see those writes whichever replica answers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revisions: dict[str, int] = {}

    def revision(self, gallery: str) -> int | None:
        """Newest revision seen; None if nothing was written yet."""
        return self._revisions.get(gallery)

    def saw(self, gallery: str, revision: int) -> None:
        """Remember the revision of a write."""
        with self._lock:
            self._revisions[gallery] = max(revision, self._revisions.get(gallery, 0))

    def forget(self, gallery: str) -> None:
        """Remember nothing of a gallery: it was deleted, or does not reach what was remembered."""
        with self._lock:
            self._revisions.pop(gallery, None)


class FileChunks:
    """A file as a stream of chunks, for either client and from the start again with every try."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = path
        self._progress = progress

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
                if self._progress:
                    self._progress(len(chunk))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The same for an event loop; a chunk is read faster than it is sent, so in place."""
        for chunk in self:
            yield chunk


def reader(kind: type[T] | Any) -> Callable[[httpx.Response], T]:
    """A parser of JSON answers of a type."""
    adapter: TypeAdapter[T] = TypeAdapter(kind)

    def parse(response: httpx.Response) -> T:
        try:
            return adapter.validate_json(response.content)
        except ValidationError as error:
            raise UnexpectedAnswer(f"{response.url} does not answer like a Kenspeckle service") from error

    return parse


def path_of(*parts: str) -> str:
    """A path of percent-encoded segments."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def text_params(**values: object) -> dict[str, str]:
    """Query or form fields as text, without those that are None."""
    return {key: _text(value) for key, value in values.items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
