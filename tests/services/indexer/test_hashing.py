"""Codes of a hashing model in the indexer: the contract of any gallery, in an eighth of a byte per dimension."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from kenspeckle.bits import unit_codes
from kenspeckle.bundle import read_bundle
from services.common.tensors import decode_npy, encode_npy
from services.indexer.app import create_app
from services.indexer.store.database import Database
from services.indexer.store.tables import embedding
from tests.fixtures.bundles import BITS, write_extractor
from tests.services.indexer.helpers import (
    Vectors,
    new_item,
    png,
    post_item,
    post_search,
    problem,
    settings_for,
    vectors,
)
from tests.services.indexer.test_transfer import _files, _tar


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a hashing extractor."""
    models = tmp_path_factory.mktemp("models")
    write_extractor(models / "extractor", hashing=True)
    return models


@pytest.fixture
def hashing(folder: Path) -> str:
    """Its fingerprint."""
    return read_bundle(folder / "extractor").card.fingerprint


@pytest.fixture
def client(tmp_path: Path, folder: Path) -> Iterator[TestClient]:
    """Client of a fresh indexer that knows the hashing model."""
    with TestClient(create_app(settings_for(tmp_path / "data", folder))) as running:
        yield running


def codes(*numbers: int) -> Vectors:
    """A code for each number, of random bits."""
    bits = [np.random.default_rng([7, number]).integers(0, 256, BITS // 8, np.uint8) for number in numbers]
    return unit_codes(np.stack(bits))


def found(client: TestClient, fingerprint: str, query: Vectors, gallery: str = "things") -> dict[str | None, float]:
    (hit,) = post_search(client, fingerprint, query, gallery).json()["hits"]
    return {one["label"]: one["similarity"] for one in hit["candidates"]}


def stored(data: Path) -> list[bytes]:
    with Database(f"sqlite:///{data / 'indexer.db'}").read() as connection:
        return list(connection.execute(select(embedding.c.vector).order_by(embedding.c.reference)).scalars())


def test_codes_are_stored_as_bits_and_found_until_they_are_deleted(
    client: TestClient, hashing: str, folder: Path, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        answer = post_item(
            client, new_item(hashing, label=f"thing {number}", item_id=str(number)), codes(number), [png(number)]
        )
        assert answer.status_code == 201, answer.text
    expected = [np.packbits(codes(number) > 0).tobytes() for number in (1, 2, 3)]
    assert stored(tmp_path / "data") == expected
    equal = {f"thing {number}": float(((codes(number) > 0) == (codes(2) > 0)).mean()) for number in (1, 2, 3)}
    assert found(client, hashing, codes(2)) == pytest.approx(equal)
    assert client.delete("/galleries/things/items/2").status_code == 200
    del equal["thing 2"]
    assert found(client, hashing, codes(2)) == pytest.approx(equal)
    with TestClient(create_app(settings_for(tmp_path / "data", folder))) as again:
        assert found(again, hashing, codes(2)) == pytest.approx(equal)


def test_codes_that_were_stored_as_floats_are_read_beside_bits(
    client: TestClient, hashing: str, tmp_path: Path
) -> None:
    for number in (1, 2):
        post_item(client, new_item(hashing, label=f"thing {number}"), codes(number), [png(number)])
    with Database(f"sqlite:///{tmp_path / 'data/indexer.db'}").write() as connection:
        connection.execute(
            update(embedding).where(embedding.c.reference == 1).values(vector=codes(1).astype("<f4").tobytes())
        )
    assert {len(one) for one in stored(tmp_path / "data")} == {BITS // 8, BITS * 4}
    files = _files(client.get("/galleries/things/export").content)
    (name,) = (name for name in files if name.startswith("embeddings/"))
    np.testing.assert_array_equal(decode_npy(files[name], np.float32, (2, BITS), name), codes(1, 2))


def test_what_is_no_code_is_refused_wherever_it_comes_in(client: TestClient, hashing: str) -> None:
    floats = vectors(1, dim=BITS)
    refused = post_item(client, new_item(hashing, label="thing"), floats, [png(1)])
    assert problem(refused) == (422, "unprocessable", "embeddings")
    assert "is no code" in refused.json()["detail"]
    assert client.get("/galleries").json()["items"] == []
    post_item(client, new_item(hashing, label="thing"), codes(1), [png(1)])
    assert problem(post_search(client, hashing, floats)) == (422, "unprocessable", "embeddings")
    files = _files(client.get("/galleries/things/export").content)
    (name,) = (name for name in files if name.startswith("embeddings/"))
    archive = _tar({**files, name: encode_npy(floats)})
    assert problem(client.post("/galleries/copy/import", content=archive)) == (422, "unprocessable", "embeddings")
    assert client.post("/galleries/copy/import", content=_tar(files)).status_code == 201
    assert found(client, hashing, codes(1), "copy") == {"thing": 1.0}
