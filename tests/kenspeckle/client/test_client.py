"""Both clients against a small fake service: every behaviour is asked of each."""

import asyncio
import inspect
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from kenspeckle.client import (
    AsyncClient,
    Busy,
    Client,
    Conflict,
    ConnectionFailed,
    KenspeckleError,
    KeyRefused,
    NotFound,
    RetryPolicy,
    UnexpectedAnswer,
    UnusablePicture,
)

NOW = "2026-01-01T00:00:00Z"
FAST = RetryPolicy(attempts=3, first_wait=0.0)
Handler = Callable[[httpx.Request], httpx.Response]

RECOGNITION = {
    "image": {"width": 4, "height": 4, "sha256": "00"},
    "objects": [],
    "gallery": {"name": "default", "revision": 3},
    "models": {"detector": None, "extractor": "sha256:1"},
    "request_id": "r",
}
ENROLMENT = {"gallery": "default", "item_id": "a", "label": "Tea", "created": True, "references": [], "revision": 7}
GALLERY = {
    "name": "shop",
    "revision": 1,
    "fingerprint": None,
    "items": 0,
    "references": 0,
    "labels": 0,
    "keep_pictures": True,
    "created_at": NOW,
}
ITEM = {"id": "a/b", "label": "Tea", "references": [], "revision": 9, "created_at": NOW}


class Both:
    """One of the two clients, used alike: calls run to their end, listings become lists."""

    def __init__(self, kind: str, handler: Handler, **options: Any) -> None:
        self._transport = httpx.MockTransport(handler)
        self._kind = kind
        self._options = {"url": "http://kenspeckle.test", "retry": FAST, **options}

    def __call__(self, *steps: Callable[[Any], Any]) -> list[Any]:
        return asyncio.run(self._awaited(steps)) if self._kind == "async" else self._plain(steps)

    def _plain(self, steps: Any) -> list[Any]:
        with Client(**self._options, http_transport=self._transport) as client:
            results = [step(client) for step in steps]
            return [list(result) if isinstance(result, Iterator) else result for result in results]

    async def _awaited(self, steps: Any) -> list[Any]:
        results = []
        async with AsyncClient(**self._options, http_transport=self._transport) as client:
            for step in steps:
                result = step(client)
                if isinstance(result, AsyncIterator):
                    results.append([entry async for entry in result])
                else:
                    results.append(await result)
        return results


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest) -> Callable[..., Both]:
    return lambda handler, **options: Both(request.param, handler, **options)


def problem(status: int, slug: str, **headers: str) -> httpx.Response:
    body = {"type": f"urn:kenspeckle:problem:{slug}", "title": "No", "status": status, "detail": "because"}
    return httpx.Response(status, json=body, headers=headers)


def always(response: dict[str, Any], seen: list[httpx.Request] | None = None, status: int = 200) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(status, json=response)

    return handle


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    public = [{name for name in vars(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)]
    assert public[0] == public[1]
    for name in public[0] - {"send", "close"}:
        assert inspect.signature(getattr(Client, name)) == inspect.signature(getattr(AsyncClient, name))
        assert getattr(Client, name).__doc__


def test_recognize_sends_the_picture_and_only_what_was_asked(client: Any) -> None:
    seen: list[httpx.Request] = []
    (result,) = client(always(RECOGNITION, seen))(
        lambda c: c.recognize(b"bytes", gallery="shop", boxes=[(1, 2, 3, 4)], detect=False, timings=True)
    )
    assert result.gallery.revision == 3
    assert seen[0].content == b"bytes"
    assert dict(seen[0].url.params) == {
        "gallery": "shop",
        "detect": "false",
        "boxes": "[[1, 2, 3, 4]]",
        "include": "timings",
    }


def test_the_key_is_sent(client: Any) -> None:
    seen: list[httpx.Request] = []
    client(always(RECOGNITION, seen), key="ksp_1")(lambda c: c.recognize(b"x"))
    assert seen[0].headers["Authorization"] == "Bearer ksp_1"


def test_a_search_after_an_own_write_asks_for_its_revision(client: Any) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=ENROLMENT) if request.url.path == "/gallery" else always(RECOGNITION)(request)

    client(handle)(
        lambda c: c.enrol(b"x", "Tea"), lambda c: c.recognize(b"x"), lambda c: c.recognize(b"x", gallery="other")
    )
    assert seen[1].url.params["min_revision"] == "7"
    assert "min_revision" not in seen[2].url.params


def test_a_deleted_gallery_has_no_remembered_revision(client: Any) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(201, json=ENROLMENT) if request.url.path == "/gallery" else always(RECOGNITION)(request)

    client(handle)(lambda c: c.enrol(b"x", "Tea"), lambda c: c.delete_gallery("default"), lambda c: c.recognize(b"x"))
    assert "min_revision" not in seen[2].url.params


def test_a_revision_that_is_never_reached_is_forgotten(client: Any) -> None:
    seen: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/gallery":
            return httpx.Response(201, json=ENROLMENT)
        asked = request.url.params.get("min_revision")
        seen.append(asked)
        return problem(503, "not-ready") if asked else always(RECOGNITION)(request)

    def expect_busy(c: Any) -> Any:
        if isinstance(c, Client):
            with pytest.raises(Busy):
                c.recognize(b"x")
            return None

        async def run() -> None:
            with pytest.raises(Busy):
                await c.recognize(b"x")

        return run()

    client(handle)(lambda c: c.enrol(b"x", "Tea"), expect_busy, lambda c: c.recognize(b"x"))
    assert seen == ["7", "7", "7", None]


def test_enrol_sends_all_pictures_and_fields_in_one_form(client: Any) -> None:
    bodies: list[bytes] = []

    async def read(request: httpx.Request) -> httpx.Response:
        bodies.append(await request.aread())
        return httpx.Response(201, json=ENROLMENT)

    def read_sync(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return httpx.Response(201, json=ENROLMENT)

    both = client(read_sync)
    if both._kind == "async":
        both = client(read)
    (done,) = both(
        lambda c: c.enrol([b"one", b"two"], "Tëa", item_id="t", box=(0, 0, 5, 5), metadata={"shelf": 3}, crop="whole")
    )
    assert done.created
    assert bodies[0].count(b'name="image"') == 2
    for part in (b"one", b"two", "Tëa".encode(), b"[0, 0, 5, 5]", b'{"shelf": 3}', b"whole"):
        assert part in bodies[0]
    assert b'name="negative"' not in bodies[0]


def test_enrol_is_tried_again_with_the_same_idempotency_key(client: Any) -> None:
    keys: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return problem(503, "not-ready") if len(keys) < 3 else httpx.Response(201, json=ENROLMENT)

    client(handle)(lambda c: c.enrol(b"x", "Tea"), lambda c: c.enrol(b"x", "Tea"))
    assert len(keys) == 4
    assert keys[0] == keys[1] == keys[2] != keys[3]


def test_a_delete_is_sent_once(client: Any) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return problem(503, "not-ready")

    with pytest.raises(Busy):
        client(handle)(lambda c: c.delete_item("a"))
    assert len(seen) == 1


def test_a_broken_connection_is_tried_again(client: Any) -> None:
    tries: list[int] = []

    def handle(request: httpx.Request) -> httpx.Response:
        tries.append(1)
        if len(tries) == 1:
            raise httpx.ReadError("reset", request=request)
        return httpx.Response(200, json=RECOGNITION)

    client(handle)(lambda c: c.recognize(b"x"))
    assert len(tries) == 2


@pytest.mark.parametrize(
    ("status", "slug", "kind"),
    [(401, "unauthorized", KeyRefused), (403, "forbidden", KeyRefused), (404, "not-found", NotFound),
     (409, "conflict", Conflict), (412, "precondition-failed", Conflict), (429, "overloaded", Busy)],
)  # fmt: skip
def test_problems_become_typed_errors(client: Any, status: int, slug: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="No: because") as caught:
        client(lambda _: problem(status, slug))(lambda c: c.gallery("shop"))
    assert caught.value.slug == slug  # type: ignore[attr-defined]


def test_an_answer_of_something_else_is_named_as_such(client: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match="does not answer like a Kenspeckle service"):
        client(lambda _: httpx.Response(200, text="<html>"))(lambda c: c.gallery("shop"))


def test_listings_follow_the_cursor(client: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("cursor")
        page = {"items": [{**ITEM, "id": cursor or "first"}], "next_cursor": None if cursor == "2" else "2"}
        assert request.url.params["metadata.shelf"] == "3"
        assert request.url.params["q"] == "te"
        return httpx.Response(200, json=page)

    (items,) = client(handle)(lambda c: c.items("shop", query="te", metadata={"shelf": "3"}))
    assert [item.id for item in items] == ["first", "2"]


def test_ids_are_percent_encoded_and_the_etag_is_sent(client: Any) -> None:
    seen: list[httpx.Request] = []
    (item,) = client(always(ITEM, seen))(lambda c: c.update_item("a/b ü", label="Teä", if_revision=4))
    assert seen[0].url.raw_path == b"/galleries/default/items/a%2Fb%20%C3%BC"
    assert seen[0].headers["If-Match"] == '"4"'
    assert json.loads(seen[0].content) == {"label": "Teä"}
    assert item.revision == 9


def test_search_sends_float32_vectors(client: Any) -> None:
    seen: list[httpx.Request] = []
    answer = {"gallery": {"name": "default", "revision": 1}, "cohort_size": 9, "hits": []}
    client(always(answer, seen))(
        lambda c: c.search([[1.0, 0.0]], "sha256:1", top_k=3, label="tea", metadata={"shelf": "left"})
    )
    sent = np.load(io.BytesIO(seen[0].content))
    assert sent.dtype == np.float32
    assert sent.tolist() == [[1.0, 0.0]]
    assert dict(seen[0].url.params) == {
        "k": "3",
        "fingerprint": "sha256:1",
        "label": "tea",
        "metadata.shelf": "left",
    }


def test_an_export_is_streamed_to_its_file(client: Any, tmp_path: Path) -> None:
    content, told = bytes(range(256)) * 4096, []
    target = tmp_path / "shop.tar"
    (path,) = client(lambda _: httpx.Response(200, content=content))(
        lambda c: c.export_gallery("shop", target, progress=told.append)
    )
    assert path == target
    assert target.read_bytes() == content
    assert sum(told) == len(content)


def test_a_failed_export_leaves_the_old_file_alone(client: Any, tmp_path: Path) -> None:
    target = tmp_path / "shop.tar"
    target.write_bytes(b"old")
    with pytest.raises(NotFound):
        client(lambda _: problem(404, "not-found"))(lambda c: c.export_gallery("shop", target))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


class BreakingStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose connection breaks in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"half"
        raise httpx.ReadError("reset")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def test_a_broken_export_leaves_the_old_file_alone_and_no_other(client: Any, tmp_path: Path) -> None:
    target = tmp_path / "shop.tar"
    target.write_bytes(b"old")
    with pytest.raises(ConnectionFailed):
        client(lambda _: httpx.Response(200, stream=BreakingStream()))(lambda c: c.export_gallery("shop", target))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_import_is_streamed_from_its_file(client: Any, tmp_path: Path) -> None:
    source = tmp_path / "shop.tar"
    source.write_bytes(b"0123456789" * 100_000)
    got: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        got.append(request.read())
        return httpx.Response(201, json=GALLERY)

    async def handle_async(request: httpx.Request) -> httpx.Response:
        got.append(await request.aread())
        return httpx.Response(201, json=GALLERY)

    both = client(handle)
    if both._kind == "async":
        both = client(handle_async)
    told: list[int] = []
    (gallery,) = both(lambda c: c.import_gallery("shop", source, progress=told.append))
    assert gallery.name == "shop"
    assert got == [source.read_bytes()]
    assert sum(told) == 1_000_000


def test_not_being_ready_is_an_answer(client: Any) -> None:
    detail = {"ready": False, "checks": {"extractor": "loading"}}
    (ready,) = client(lambda _: httpx.Response(503, json=detail))(lambda c: c.ready())
    assert ready.checks == {"extractor": "loading"}


def test_pillow_images_keep_what_they_show(client: Any) -> None:
    seen: list[httpx.Request] = []
    for image in (Image.new("RGB", (8, 8), (200, 10, 10)), Image.new("RGBA", (8, 8), (200, 10, 10, 128))):
        client(always(RECOGNITION, seen))(lambda c, image=image: c.recognize(image))
    sent = [Image.open(io.BytesIO(request.content)) for request in seen]
    assert [image.format for image in sent] == ["JPEG", "PNG"]
    assert sent[1].mode == "RGBA"
    assert max(abs(a - b) for a, b in zip(sent[0].getpixel((4, 4)), (200, 10, 10), strict=True)) <= 3


def test_a_missing_picture_is_named(client: Any, tmp_path: Path) -> None:
    with pytest.raises(UnusablePicture, match=r"nothing\.jpg cannot be read"):
        client(always(RECOGNITION))(lambda c: c.recognize(tmp_path / "nothing.jpg"))


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "http://[::1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(KenspeckleError, match="is not an address"):
        Client(url)


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSPECKLE_URL", "http://elsewhere.test:9/")
    monkeypatch.setenv("KENSPECKLE_KEY", "ksp_env")
    with Client() as client:
        assert client.transport.url == "http://elsewhere.test:9"
        assert client.transport.options["headers"]["Authorization"] == "Bearer ksp_env"
