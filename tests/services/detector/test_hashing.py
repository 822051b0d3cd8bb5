"""The whole way of a picture with a hashing model: bits are searched, what is answered is as for other models."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from kenspeckle.bundle import read_bundle
from tests.fixtures.bundles import COHORT, EXTRACTOR_SIDE, embed, thing, write_detector, write_extractor
from tests.fixtures.stacks import encode, standalone_app


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector and a hashing extractor."""
    folder = tmp_path_factory.mktemp("hashing-models")
    write_extractor(folder / "extractor", hashing=True)
    write_detector(folder / "detector")
    return folder


@pytest.fixture
def stack(tmp_path: Path, models: Path) -> Iterator[TestClient]:
    """Client of a fresh stack that is open to all."""
    with TestClient(standalone_app(models, tmp_path / "data")) as client:
        yield client


def add(stack: TestClient, seed: int, **fields: Any) -> dict[str, Any]:
    response = stack.post(
        "/gallery", files={"image": encode(thing(seed, EXTRACTOR_SIDE))}, data={"crop": "whole", **fields}
    )
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def only_object(stack: TestClient, seed: int, **params: Any) -> dict[str, Any]:
    response = stack.post("/recognize", content=encode(thing(seed, EXTRACTOR_SIDE)), params={"detect": False, **params})
    assert response.status_code == 200, response.text
    (found,) = response.json()["objects"]
    return dict(found)


def share_of_equal_bits(models: Path, first: int, second: int) -> float:
    crops = np.stack([np.asarray(thing(seed, EXTRACTOR_SIDE)) for seed in (first, second)])
    codes = embed(read_bundle(models / "extractor"), crops)
    return float(((codes[0] > 0) == (codes[1] > 0)).mean())


def test_a_thing_is_known_by_its_bits_and_another_one_is_not(stack: TestClient, models: Path) -> None:
    for seed in (1, 2, 3):
        add(stack, seed, label=f"thing {seed}")
    known, stranger = only_object(stack, 2), only_object(stack, 9)
    assert (known["decision"], known["label"], known["similarity"]) == ("known", "thing 2", 1.0)
    assert known["p_value"] == pytest.approx(1 / (COHORT + 1))
    assert stranger["decision"] == "unknown"
    best = max(share_of_equal_bits(models, 9, seed) for seed in (1, 2, 3))
    assert stranger["similarity"] == pytest.approx(best)
    assert 1 / (COHORT + 1) < stranger["p_value"] <= 1


def test_p_counts_the_cohort_members_that_share_as_many_bits(stack: TestClient, models: Path) -> None:
    add(stack, 1, label="one")
    stranger = only_object(stack, 9)
    bundle = read_bundle(models / "extractor")
    (one,) = embed(bundle, np.asarray(thing(1, EXTRACTOR_SIDE))[None])
    shares = ((bundle.cohort() > 0) == (one > 0)).mean(axis=1)
    at_least = int((shares >= share_of_equal_bits(models, 1, 9)).sum())
    assert stranger["p_value"] == pytest.approx((1 + at_least) / (COHORT + 1))
    assert not math.isnan(stranger["probability"])


def test_what_was_deleted_is_found_no_more_and_the_rest_survives_a_restart(tmp_path: Path, models: Path) -> None:
    app = standalone_app(models, tmp_path / "data")
    with TestClient(app) as client:
        gone, kept = add(client, 1, label="gone"), add(client, 2, label="kept")
        assert kept["revision"] > gone["revision"]
        assert client.delete(f"/galleries/default/items/{gone['item_id']}").status_code in (200, 204)
        assert only_object(client, 1)["label"] is None
    assert list((tmp_path / "data/generations").glob("*.npz"))
    with TestClient(standalone_app(models, tmp_path / "data")) as client:
        assert only_object(client, 2)["label"] == "kept"
        assert only_object(client, 1)["label"] is None
        add(client, 1, label="again")
        assert only_object(client, 1)["label"] == "again"
