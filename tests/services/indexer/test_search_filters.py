"""Searching only some of a gallery: those of a label, or with certain metadata."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.services.indexer.helpers import near, new_item, png, post_item, post_search, vectors

THINGS = [
    # label, shelf, references
    ("tea", "left", 3),
    ("tea", "right", 1),
    ("milk", "left", 2),
    ("juice", "right", 40),
    ("bread", "left", 1),
]


@pytest.fixture
def things(client: TestClient, fingerprint: str) -> TestClient:
    for number, (label, shelf, count) in enumerate(THINGS):
        item = new_item(fingerprint, count, label=label, item_id=f"item-{number}", metadata={"shelf": shelf})
        pictures = [png(number * 100 + index) for index in range(count)]
        assert post_item(client, item, vectors(number, count), pictures).status_code == 201
    return client


def by_hand(chosen: list[int], query: Any) -> tuple[list[tuple[str, float]], tuple[str | None, float | None]]:
    """Items by best similarity, and the nearest label other than the best one's, from the vectors alone."""
    best = {n: float((vectors(n, THINGS[n][2]) @ query).max()) for n in chosen}
    ranked = sorted(best, key=lambda n: -best[n])
    first = THINGS[ranked[0]][0]
    other = next((n for n in ranked if THINGS[n][0] != first), None)
    items = [(f"item-{n}", best[n]) for n in ranked]
    return items, (None, None) if other is None else (THINGS[other][0], best[other])


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"label": "tea"}, [0, 1]),
        ({"metadata.shelf": "left"}, [0, 2, 4]),
        ({"metadata.shelf": "right"}, [1, 3]),
        ({"metadata.shelf": "right", "label": "juice"}, [3]),
    ],
)
def test_a_part_is_searched_as_if_it_were_all(
    things: TestClient, fingerprint: str, wanted: dict[str, str], chosen: list[int]
) -> None:
    queries = np.concatenate([near(vectors(number), 50 + number, 0.6) for number in range(5)])
    everything = post_search(things, fingerprint, queries, k=10).json()
    found = post_search(things, fingerprint, queries, k=10, **wanted).json()
    for query, hit, whole in zip(queries, found["hits"], everything["hits"], strict=True):
        items, other = by_hand(chosen, query)
        assert [(one["item_id"], pytest.approx(one["similarity"], abs=1e-5)) for one in hit["candidates"]] == items
        assert hit["other_label"] == other[0]
        assert hit["other_similarity"] == pytest.approx(other[1], abs=1e-5)
        # What is less similar is no less likely to be chance.
        assert hit["p_value"] >= whole["p_value"]


def test_a_part_with_nothing_in_it_knows_nothing(things: TestClient, fingerprint: str) -> None:
    hit = post_search(things, fingerprint, vectors(0), label="gold").json()["hits"][0]
    assert (hit["candidates"], hit["p_value"]) == ([], None)


def test_a_part_follows_changes(things: TestClient, fingerprint: str) -> None:
    def found() -> list[str]:
        hit = post_search(things, fingerprint, vectors(0), k=10, **{"metadata.shelf": "right"}).json()["hits"][0]
        return sorted(one["item_id"] for one in hit["candidates"])

    assert found() == ["item-1", "item-3"]
    moved = things.patch("/galleries/things/items/item-0", json={"metadata": {"shelf": "right"}})
    assert moved.status_code == 200
    assert things.delete("/galleries/things/items/item-3").status_code == 200
    assert found() == ["item-0", "item-1"]
