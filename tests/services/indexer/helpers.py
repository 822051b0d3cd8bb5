"""What the tests of the indexer share: vectors, pictures, and an indexer without HTTP."""

import asyncio
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from kenspeckle.types import Box, Enrolment, ModelInfo, NewItem, NewReference, SearchAnswer
from services.common.metrics import Metrics
from services.common.tensors import MEDIA_TYPE, encode_npy
from services.indexer.service import IndexerService
from services.indexer.settings import IndexerSettings

DIM = 32
Vectors = NDArray[np.float32]


def vectors(seed: int | Sequence[int], count: int = 1, dim: int = DIM) -> Vectors:
    """Unit vectors, the same for the same seed."""
    made = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def near(vector: Vectors, seed: int, distance: float = 0.1) -> Vectors:
    """A unit vector close to each of ``vector``."""
    moved = vector + distance * vectors(seed, len(vector), vector.shape[1])
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


def png(seed: int, size: tuple[int, int] = (12, 10)) -> bytes:
    """A small picture, the same for the same seed."""
    pixels = np.random.default_rng([9, seed]).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def new_item(fingerprint: str, count: int = 1, **fields: Any) -> NewItem:
    """An item with some references over whole pictures."""
    reference = NewReference(box=(0, 0, 8, 8), source="whole", media_type="image/png")
    return NewItem(fingerprint=fingerprint, references=[reference] * count, **fields)


def post_item(
    client: TestClient | httpx.Client,
    item: NewItem,
    embeddings: Vectors,
    pictures: Sequence[bytes],
    gallery: str = "things",
    **headers: str,
) -> httpx.Response:
    """Enrol over HTTP as the detector does."""
    files = [("embeddings", ("embeddings.npy", encode_npy(embeddings), MEDIA_TYPE))]
    files += [("picture", (f"{index}.png", picture, "image/png")) for index, picture in enumerate(pictures)]
    form = {"item": item.model_dump_json(exclude_unset=True)}
    return client.post(f"/galleries/{gallery}/items", data=form, files=files, headers=headers)


def post_search(
    client: TestClient | httpx.Client, fingerprint: str, queries: Vectors, gallery: str = "things", **params: Any
) -> httpx.Response:
    """Search over HTTP as the detector does."""
    return client.post(
        f"/galleries/{gallery}/search",
        params={"fingerprint": fingerprint, **params},
        content=encode_npy(queries),
        headers={"Content-Type": MEDIA_TYPE},
    )


def problem(response: httpx.Response) -> tuple[int, str, str | None]:
    """Status, slug and field of a problem document."""
    body = json.loads(response.content)
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, body["type"].rsplit(":", 1)[-1], body["field"]


class NoEmbedder:
    """An extractor that nobody may ask."""

    async def info(self) -> ModelInfo:
        raise AssertionError("the extractor was asked")

    async def embed_picture(self, picture: bytes, boxes: Sequence[Box]) -> Vectors:
        raise AssertionError("the extractor was asked")


class Running:
    """An indexer in this process with an event loop of its own; ``restart`` opens the same data again."""

    def __init__(self, settings: IndexerSettings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self.service = self._open()

    def _open(self) -> IndexerService:
        service = IndexerService(self._settings, NoEmbedder(), Metrics("indexer"))
        self._loop.run_until_complete(service.start())
        return service

    def restart(self) -> None:
        """Stop and start, as on SIGTERM."""
        self._loop.run_until_complete(self.service.stop())
        self.service = self._open()

    def close(self) -> None:
        """Stop for good."""
        self._loop.run_until_complete(self.service.stop())
        self._loop.close()

    def enrol(
        self,
        item: NewItem,
        embeddings: Vectors,
        pictures: Sequence[bytes],
        gallery: str = "things",
        key: str | None = None,
    ) -> Enrolment:
        """See ``IndexerService.enrol``."""
        return self._loop.run_until_complete(self.service.enrol(gallery, item, embeddings, pictures, key))

    def search(
        self,
        fingerprint: str,
        queries: Vectors,
        top_k: int = 5,
        gallery: str = "things",
        min_revision: int | None = None,
    ) -> SearchAnswer:
        """See ``IndexerService.search``."""
        return self._loop.run_until_complete(self.service.search(gallery, fingerprint, queries, top_k, min_revision))


def settings_for(data: Path, models: Path, **changes: Any) -> IndexerSettings:
    """Settings of a test's indexer."""
    return IndexerSettings(data_dir=data, models_dir=models, revision_wait_seconds=0.2, **changes)
