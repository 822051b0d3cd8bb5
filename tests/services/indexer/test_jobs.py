"""Re-embedding jobs."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kenspeckle.types import Box, ModelInfo
from services.common.errors import NotReady
from services.indexer import app as application
from services.indexer.app import create_app
from services.indexer.cohorts import Cohorts
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


class FakeExtractor:
    """Embeds a picture by its bytes; may be slow or fail."""

    def __init__(self, models: Path) -> None:
        cohorts = Cohorts(models)
        cohorts.load()
        self.model: ModelInfo = next(one for one in cohorts.models if one.name == "other-extractor")
        self.seconds = 0.0
        self.failure: Exception | None = None
        self.pictures: list[bytes] = []

    def __call__(self, _: Any) -> "FakeExtractor":
        return self

    async def info(self) -> ModelInfo:
        return self.model

    async def embed_picture(self, picture: bytes, boxes: Sequence[Box]) -> Vectors:
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(self.seconds)
        self.pictures.append(picture)
        return self.expected(picture, len(boxes))

    @staticmethod
    def expected(picture: bytes, count: int) -> Vectors:
        """The embeddings that it gives."""
        return vectors(list(picture[-40:]), count)


@pytest.fixture
def extractor(models: Path, monkeypatch: pytest.MonkeyPatch) -> FakeExtractor:
    """The extractor that re-embedding asks."""
    fake = FakeExtractor(models)
    monkeypatch.setattr(application, "HttpEmbedder", fake)
    return fake


def _fill(client: TestClient, fingerprint: str, count: int) -> None:
    for number in range(count):
        item = new_item(fingerprint, label=f"L{number}")
        assert post_item(client, item, vectors(number), [png(number)]).status_code == 201


def _ended(client: TestClient, job_id: str) -> dict[str, Any]:
    for _ in range(400):
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
    raise AssertionError(f"the job has not ended: {job}")


def test_reembedding_switches_a_gallery_to_the_new_model(
    tmp_path: Path, models: Path, extractor: FakeExtractor, fingerprint: str, other_fingerprint: str
) -> None:
    settings = settings_for(tmp_path, models)
    with TestClient(create_app(settings)) as client:
        _fill(client, fingerprint, 3)
        queued = client.post("/galleries/things/reembed")
        assert queued.status_code == 202
        job = _ended(client, queued.json()["id"])
        assert (job["state"], job["done"], job["total"], job["kind"]) == ("done", 3, 3, "reembed")
        gallery = client.get("/galleries/things").json()
        assert (gallery["fingerprint"], gallery["revision"]) == (other_fingerprint, 4)
        query = extractor.expected(png(1), 1)
        hit = post_search(client, other_fingerprint, query, min_revision=4).json()["hits"][0]
        assert hit["candidates"][0]["label"] == "L1"
        assert problem(post_search(client, fingerprint, query))[0] == 409
        assert client.get("/jobs").json()["items"] == [job]
        again = _ended(client, client.post("/galleries/things/reembed").json()["id"])
        assert again["state"] == "done"
        assert len(extractor.pictures) == 3
    with TestClient(create_app(settings)) as client:
        hit = post_search(client, other_fingerprint, query).json()["hits"][0]
        assert hit["candidates"][0]["label"] == "L1"


def test_the_gallery_is_searched_with_the_old_model_until_all_is_there(
    tmp_path: Path, models: Path, extractor: FakeExtractor, fingerprint: str
) -> None:
    extractor.failure = NotReady("the extractor is away")
    with TestClient(create_app(settings_for(tmp_path, models))) as client:
        _fill(client, fingerprint, 2)
        job = _ended(client, client.post("/galleries/things/reembed").json()["id"])
        assert (job["state"], job["message"]) == ("failed", "the extractor is away")
        assert post_search(client, fingerprint, vectors(1)).json()["hits"][0]["candidates"][0]["label"] == "L1"
        extractor.failure = None
        assert _ended(client, client.post("/galleries/things/reembed").json()["id"])["state"] == "done"


def test_a_job_can_be_cancelled(tmp_path: Path, models: Path, extractor: FakeExtractor, fingerprint: str) -> None:
    extractor.seconds = 0.05
    with TestClient(create_app(settings_for(tmp_path, models))) as client:
        _fill(client, fingerprint, 40)
        job_id = client.post("/galleries/things/reembed").json()["id"]
        assert problem(client.post("/galleries/things/reembed"))[:2] == (409, "conflict")
        assert client.post(f"/jobs/{job_id}/cancel").json()["state"] == "cancelled"
        time.sleep(1.5)
        assert client.get(f"/jobs/{job_id}").json()["state"] == "cancelled"
        assert client.get("/galleries/things").json()["fingerprint"] == fingerprint
        assert len(extractor.pictures) < 40
        assert problem(client.post("/jobs/nothing/cancel"))[0] == 404


def test_a_job_that_a_restart_broke_off_goes_on(
    tmp_path: Path, models: Path, extractor: FakeExtractor, fingerprint: str, other_fingerprint: str
) -> None:
    extractor.seconds = 0.02
    settings = settings_for(tmp_path, models)
    with TestClient(create_app(settings)) as client:
        _fill(client, fingerprint, 40)
        job_id = client.post("/galleries/things/reembed").json()["id"]
        while len(extractor.pictures) < 3:
            time.sleep(0.01)
    first = len(extractor.pictures)
    assert first < 40
    with TestClient(create_app(settings)) as client:
        assert _ended(client, job_id)["state"] == "done"
        assert client.get("/galleries/things").json()["fingerprint"] == other_fingerprint
    assert len(extractor.pictures) <= 41


def test_a_model_whose_cohort_is_unknown_is_not_switched_to(
    tmp_path: Path, models: Path, extractor: FakeExtractor, fingerprint: str
) -> None:
    extractor.model = extractor.model.model_copy(update={"fingerprint": "sha256:new"})
    with TestClient(create_app(settings_for(tmp_path, models))) as client:
        _fill(client, fingerprint, 1)
        job = _ended(client, client.post("/galleries/things/reembed").json()["id"])
        assert job["state"] == "failed"
        assert "sha256:new" in job["message"]
        assert problem(client.post("/galleries/nothing/reembed"))[0] == 404
