"""Export and import of a gallery."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from services.common.tensors import decode_npy, encode_npy
from services.indexer import exporting
from services.indexer.app import create_app
from tests.services.indexer.helpers import new_item, png, post_item, post_search, problem, settings_for, vectors

Files = dict[str, bytes]


@pytest.fixture
def exported(client: TestClient, fingerprint: str) -> bytes:
    """The archive of a gallery with labels, metadata, several references, a shared picture and a negative."""
    client.post("/galleries", json={"name": "things", "description": "from home"})
    item = new_item(fingerprint, 2, label="Oat", item_id="oat", metadata={"shelf": 3})
    post_item(client, item, vectors(1, 2), [png(1), png(2)])
    post_item(client, new_item(fingerprint, label="Soy", item_id="soy"), vectors(2), [png(1)])
    post_item(client, new_item(fingerprint, negative=True, item_id="not"), vectors(3), [png(3)])
    return client.get("/galleries/things/export").content


def _files(archive: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def _tar(files: Files) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _items(client: TestClient, gallery: str) -> list[dict[str, Any]]:
    items = client.get(f"/galleries/{gallery}/items").json()["items"]
    return [{key: value for key, value in item.items() if key != "revision"} for item in items]


def test_an_imported_gallery_is_the_exported_one(
    client: TestClient, exported: bytes, fingerprint: str, tmp_path: Path, models: Path
) -> None:
    with TestClient(create_app(settings_for(tmp_path / "elsewhere", models))) as other:
        made = other.post("/galleries/copy/import", content=exported)
        assert made.status_code == 201
        assert (made.json()["items"], made.json()["references"], made.json()["description"]) == (3, 4, "from home")
        assert _items(other, "copy") == _items(client, "things")
        queries = vectors([8, 1], 5)
        original = post_search(client, fingerprint, queries).json()
        assert post_search(other, fingerprint, queries, gallery="copy").json()["hits"] == original["hits"]
        reference = _items(other, "copy")[1]["references"][0]["id"]
        assert other.get(f"/galleries/copy/references/{reference}/picture").content == png(1)
        again = other.get("/galleries/copy/export").content
        ours = {name: content for name, content in _files(exported).items() if name != "gallery.json"}
        assert {name: content for name, content in _files(again).items() if name != "gallery.json"} == ours


def test_an_archive_is_plain_files(exported: bytes, fingerprint: str) -> None:
    files = _files(exported)
    assert next(iter(files)) == "gallery.json"
    assert json.loads(files["gallery.json"])["fingerprint"] == fingerprint
    assert sorted(name.split("/")[0] for name in files) == ["embeddings", "gallery.json", "items", *["pictures"] * 3]
    stored = decode_npy(files["embeddings/000000.npy"], np.float32, (4, None))
    np.testing.assert_array_equal(stored[:2], vectors(1, 2))


def test_large_galleries_are_written_in_portions(
    client: TestClient, exported: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ITEMS_AT_ONCE", 2)
    monkeypatch.setattr(exporting, "REFERENCES_AT_ONCE", 2)
    archive = client.get("/galleries/things/export").content
    assert [name for name in _files(archive) if name.startswith("items/")] == [
        "items/000000.jsonl",
        "items/000001.jsonl",
        "items/000002.jsonl",
    ]
    assert client.post("/galleries/copy/import", content=archive).status_code == 201
    assert _items(client, "copy") == _items(client, "things")


def test_an_import_needs_a_new_name(client: TestClient, exported: bytes) -> None:
    assert problem(client.post("/galleries/things/import", content=exported))[:2] == (409, "conflict")
    assert problem(client.post("/galleries/Bad/import", content=exported))[0] == 422


def test_an_import_survives_a_restart(tmp_path: Path, models: Path, exported: bytes, fingerprint: str) -> None:
    for _ in range(2):
        with TestClient(create_app(settings_for(tmp_path / "b", models))) as client:
            client.post("/galleries/copy/import", content=exported)
            hit = post_search(client, fingerprint, vectors(2), gallery="copy").json()["hits"][0]
            assert hit["candidates"][0]["item_id"] == "soy"


def test_an_empty_gallery_travels_too(client: TestClient) -> None:
    client.post("/galleries", json={"name": "empty", "keep_pictures": False})
    archive = client.get("/galleries/empty/export").content
    made = client.post("/galleries/copy/import", content=archive).json()
    assert (made["items"], made["keep_pictures"], made["fingerprint"]) == (0, False, None)


def _set_item(files: Files, **changes: Any) -> Files:
    lines = files["items/000000.jsonl"].splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | changes).encode()
    return files | {"items/000000.jsonl": b"\n".join(lines)}


def _scaled(files: Files) -> Files:
    array = decode_npy(files["embeddings/000000.npy"], np.float32, (4, None))
    return files | {"embeddings/000000.npy": encode_npy(array * 2)}


def _swapped_picture(files: Files) -> Files:
    name = next(name for name in files if name.startswith("pictures/"))
    return files | {name: b"another picture"}


def _second_item_twice(files: Files) -> Files:
    lines = files["items/000000.jsonl"].splitlines()
    return files | {"items/000000.jsonl": b"\n".join([*lines[:2], lines[1]])}


BROKEN: dict[str, Callable[[Files], Files]] = {
    "nothing": lambda files: {},
    "no head": lambda files: {name: content for name, content in files.items() if name != "gallery.json"},
    "head is no json": lambda files: files | {"gallery.json": b"{"},
    "later format": lambda files: files | {"gallery.json": files["gallery.json"].replace(b'"format":1', b'"format":2')},
    "path out of the folder": lambda files: files | {"../../evil": b"x"},
    "absolute path": lambda files: files | {"/tmp/evil": b"x"},
    "unknown file": lambda files: files | {"pictures/readme": b"x"},
    "picture changed": _swapped_picture,
    "picture missing": lambda files: {n: c for n, c in files.items() if not n.startswith("pictures/")},
    "embeddings missing": lambda files: {n: c for n, c in files.items() if not n.startswith("embeddings/")},
    "embeddings not unit": _scaled,
    "embeddings are an object array": lambda files: files | {"embeddings/000000.npy": b"\x93NUMPY\x01\x00pickle"},
    "item without label": lambda files: _set_item(files, label=None),
    "item without references": lambda files: _set_item(files, references=[]),
    "item with a surprise": lambda files: _set_item(files, surprise=1),
    "too much metadata": lambda files: _set_item(files, metadata={"x": "y" * 17_000}),
    "item twice": _second_item_twice,
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_archive_leaves_no_gallery(client: TestClient, exported: bytes, damage: str) -> None:
    broken = _tar(BROKEN[damage](_files(exported)))
    response = client.post("/galleries/copy/import", content=broken)
    assert problem(response)[0] in (400, 422), response.text
    assert problem(client.get("/galleries/copy"))[0] == 404
    assert client.post("/galleries/copy/import", content=exported).status_code == 201


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_archive_that_breaks_off_leaves_no_gallery(client: TestClient, exported: bytes, share: float) -> None:
    response = client.post("/galleries/copy/import", content=exported[: int(len(exported.rstrip(b"\0")) * share)])
    assert problem(response)[0] in (400, 422)
    assert problem(client.get("/galleries/copy"))[0] == 404


def test_links_in_an_archive_are_refused(client: TestClient, exported: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in _files(exported).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
            if name == "gallery.json":
                link = tarfile.TarInfo("pictures/" + "0" * 64)
                link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
                tar.addfile(link)
    assert problem(client.post("/galleries/copy/import", content=stream.getvalue()))[:2] == (400, "malformed")


def test_an_archive_over_the_limit_is_refused(tmp_path: Path, models: Path, exported: bytes) -> None:
    with TestClient(create_app(settings_for(tmp_path / "b", models, max_import_bytes=2048))) as client:
        assert problem(client.post("/galleries/copy/import", content=exported))[:2] == (413, "too-large")

        def chunks() -> Any:
            yield exported[:2000]
            yield exported[2000:]

        assert problem(client.post("/galleries/copy/import", content=chunks()))[:2] == (413, "too-large")
        assert not list((tmp_path / "b" / "tmp").iterdir())
