"""Enrolling, listing, changing and deleting items over HTTP."""

import io
import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from services.common.tensors import encode_npy
from tests.services.indexer.helpers import DIM, near, new_item, png, post_item, post_search, problem, vectors


def enrol(client: TestClient, fingerprint: str, label: str | None, seed: int, count: int = 1, **fields: Any) -> Any:
    """Enrol an item with references of its own and return the answer."""
    pictures = [png(seed * 100 + index) for index in range(count)]
    item = new_item(fingerprint, count, label=label, **fields)
    response = post_item(client, item, vectors(seed, count), pictures)
    assert response.status_code == 201, response.text
    return response.json()


def test_a_new_item_is_found_as_soon_as_it_is_acknowledged(client: TestClient, fingerprint: str) -> None:
    answer = enrol(client, fingerprint, "Oat milk", 1, count=2)
    assert (answer["created"], answer["revision"], answer["warnings"]) == (True, 1, [])
    assert len(answer["references"]) == 2
    enrol(client, fingerprint, "Soy milk", 2)
    found = post_search(client, fingerprint, near(vectors(1, 2), 5), min_revision=2).json()
    assert found["gallery"] == {"name": "things", "revision": 2}
    assert found["cohort_size"] == 199
    for hit, reference in zip(found["hits"], answer["references"], strict=True):
        best = hit["candidates"][0]
        assert (best["label"], best["item_id"], best["reference_id"]) == (
            "Oat milk",
            answer["item_id"],
            reference["id"],
        )
        assert best["similarity"] > 0.9
        assert hit["other_label"] == "Soy milk"
        assert hit["p_value"] == pytest.approx(1 / 200)


def test_references_are_added_to_an_item_of_the_same_id(client: TestClient, fingerprint: str) -> None:
    enrol(client, fingerprint, "Tea", 1, item_id="tea/1".replace("/", "-"), metadata={"a": 1, "b": 2})
    again = enrol(client, fingerprint, None, 2, item_id="tea-1", metadata={"b": 3})
    assert (again["created"], again["label"], again["item_id"]) == (False, "Tea", "tea-1")
    item = client.get("/galleries/things/items/tea-1").json()
    assert len(item["references"]) == 2
    assert item["metadata"] == {"a": 1, "b": 3}
    assert item["revision"] == 2


def test_an_item_does_not_take_references_of_another_label(client: TestClient, fingerprint: str) -> None:
    enrol(client, fingerprint, "Tea", 1, item_id="tea")
    refused = post_item(client, new_item(fingerprint, label="Coffee", item_id="tea"), vectors(2), [png(2)])
    assert problem(refused) == (409, "conflict", "label")
    refused = post_item(client, new_item(fingerprint, negative=True, item_id="tea"), vectors(2), [png(2)])
    assert problem(refused) == (409, "conflict", "negative")
    assert client.get("/galleries/things").json()["references"] == 1


def test_an_empty_gallery_and_one_without_embeddings_know_nothing(client: TestClient, fingerprint: str) -> None:
    client.post("/galleries", json={"name": "things"})
    empty = post_search(client, fingerprint, vectors(1, 3)).json()
    assert empty["cohort_size"] == 199
    nothing = {"candidates": [], "other_label": None, "other_similarity": None, "p_value": None}
    assert empty["hits"] == [nothing] * 3
    made = enrol(client, fingerprint, "Tea", 1)
    client.delete(f"/galleries/things/items/{made['item_id']}")
    assert post_search(client, fingerprint, vectors(1)).json()["hits"] == [nothing]


def test_a_negative_is_found_without_label_and_joins_the_cohort(client: TestClient, fingerprint: str) -> None:
    enrol(client, fingerprint, "Tea", 1)
    enrol(client, fingerprint, None, 2, negative=True)
    answer = post_search(client, fingerprint, vectors(2)).json()
    assert answer["cohort_size"] == 200
    hit = answer["hits"][0]
    assert hit["candidates"][0]["label"] is None
    assert hit["candidates"][0]["similarity"] == pytest.approx(1)
    assert hit["other_label"] == "Tea"
    # p is that of the nearest labelled reference, against a cohort in which the negative is as near as the query.
    assert hit["p_value"] >= 2 / 201


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"label": None}, (422, "unprocessable", "label")),
        ({"label": "Tea", "negative": True}, (422, "unprocessable", "label")),
        ({"label": "two\nlines"}, (422, "unprocessable", "label")),
        ({"item_id": "a/b", "label": "x"}, (422, "unprocessable", "item_id")),
        ({"metadata": {"text": "x" * 17_000}}, (422, "unprocessable", "metadata")),
        ({"fingerprint": "sha256:unknown"}, (422, "unprocessable", "fingerprint")),
        ({"surprise": 1}, (422, "unprocessable", "surprise")),
        ({"references": []}, (422, "unprocessable", "references")),
        (
            {"references": [{"box": [5, 0, 5, 8], "source": "given", "media_type": "image/png"}]},
            (422, "unprocessable", "references.0.box"),
        ),
        (
            {"references": [{"box": [0, 0, 1e9, 8], "source": "given", "media_type": "image/png"}]},
            (422, "unprocessable", "references.0.box"),
        ),
        (
            {"references": [{"box": [0, 0, 8, 8], "source": "given", "media_type": "text/html"}]},
            (422, "unprocessable", "references.0.media_type"),
        ),
    ],
)
def test_an_item_that_cannot_be_stored_names_its_field(
    client: TestClient, fingerprint: str, change: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    reference = {"box": [0, 0, 8, 8], "source": "whole", "media_type": "image/png"}
    item = {"fingerprint": fingerprint, "label": "Tea", "references": [reference], **change}
    files = [("embeddings", ("e", encode_npy(vectors(1)))), ("picture", ("p", png(1)))]
    count = len(item["references"])
    if count == 0:
        files[0] = ("embeddings", ("e", encode_npy(np.empty((0, DIM), np.float32))))
    response = client.post("/galleries/things/items", data={"item": json.dumps(item)}, files=files)
    assert problem(response) == expected
    assert problem(client.get("/galleries/things"))[0] == 404


def test_embeddings_and_pictures_must_fit_the_references(client: TestClient, fingerprint: str) -> None:
    item = new_item(fingerprint, label="Tea")
    assert problem(post_item(client, item, vectors(1, 2), [png(1)]))[2] == "embeddings"
    assert problem(post_item(client, item, vectors(1, 1, 7), [png(1)]))[2] == "embeddings"
    assert problem(post_item(client, item, vectors(1) * 2, [png(1)]))[2] == "embeddings"
    assert problem(post_item(client, item, vectors(1) * np.nan, [png(1)]))[2] == "embeddings"
    assert problem(post_item(client, item, vectors(1), [png(1), png(2)]))[2] == "picture"
    assert problem(post_item(client, item, vectors(1), [b""]))[2] == "picture.0"
    bad = client.post(
        "/galleries/things/items",
        data={"item": item.model_dump_json()},
        files=[("embeddings", ("e", b"not an array")), ("picture", ("p", png(1)))],
    )
    assert problem(bad) == (400, "malformed", "embeddings")
    assert problem(post_item(client, item, vectors(1), [png(1)], gallery="Bad Name"))[0] == 422


def test_a_lookalike_of_another_label_is_pointed_out(client: TestClient, fingerprint: str) -> None:
    enrol(client, fingerprint, "Oat milk", 1)
    near_it = near(vectors(1), 9, 0.05)
    other = post_item(client, new_item(fingerprint, label="Oat drink"), near_it, [png(50)]).json()
    assert [(w["code"], w["label"], w["reference"]) for w in other["warnings"]] == [("looks_like", "Oat milk", 0)]
    assert other["warnings"][0]["similarity"] > 0.9
    same = post_item(client, new_item(fingerprint, label="Oat milk"), vectors(1), [png(51)]).json()
    assert [w["label"] for w in same["warnings"]] == ["Oat drink"]
    assert enrol(client, fingerprint, "Nails", 40)["warnings"] == []


def test_the_same_picture_and_box_again_is_pointed_out(client: TestClient, fingerprint: str) -> None:
    enrol(client, fingerprint, "Tea", 1)
    again = post_item(client, new_item(fingerprint, label="Tea"), vectors(1), [png(100)]).json()
    assert [(w["code"], w["label"]) for w in again["warnings"]] == [("duplicate", "Tea")]
    elsewhere = new_item(fingerprint, label="Tea")
    elsewhere.references[0].box = (4, 4, 12, 10)
    assert post_item(client, elsewhere, vectors(1), [png(100)]).json()["warnings"] == []


def test_a_request_that_comes_again_is_answered_again_and_done_once(client: TestClient, fingerprint: str) -> None:
    item = new_item(fingerprint, label="Tea")
    first = post_item(client, item, vectors(1), [png(1)], **{"Idempotency-Key": "k1"})
    again = post_item(client, item, near(vectors(1), 3, 1e-6), [png(1)], **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert client.get("/galleries/things").json()["references"] == 1
    other = post_item(client, item, vectors(1), [png(2)], **{"Idempotency-Key": "k1"})
    assert problem(other) == (409, "conflict", "Idempotency-Key")
    assert post_item(client, item, vectors(1), [png(2)], **{"Idempotency-Key": "k2"}).status_code == 201


def test_embeddings_of_another_function_are_refused(
    client: TestClient, fingerprint: str, other_fingerprint: str
) -> None:
    enrol(client, fingerprint, "Tea", 1)
    refused = post_item(client, new_item(other_fingerprint, label="Tea"), vectors(1), [png(1)])
    assert problem(refused) == (409, "conflict", "fingerprint")
    assert "reembed" in refused.json()["detail"]
    assert problem(post_search(client, other_fingerprint, vectors(1))) == (409, "conflict", "fingerprint")


def test_a_relabelled_item_is_found_under_its_new_label(client: TestClient, fingerprint: str) -> None:
    made = enrol(client, fingerprint, "Tee", 1, metadata={"a": 1})
    changed = client.patch(f"/galleries/things/items/{made['item_id']}", json={"label": "Tea"})
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    assert changed.json()["metadata"] == {"a": 1}
    hit = post_search(client, fingerprint, vectors(1)).json()["hits"][0]
    assert hit["candidates"][0]["label"] == "Tea"
    assert client.get("/galleries/things").json()["labels"] == 1


def test_an_item_changes_only_if_it_is_what_the_caller_saw(client: TestClient, fingerprint: str) -> None:
    made = enrol(client, fingerprint, "Tea", 1, count=2)
    url = f"/galleries/things/items/{made['item_id']}"
    etag = client.get(url).headers["etag"]
    assert client.patch(url, json={"label": "Green tea"}, headers={"If-Match": etag}).status_code == 200
    for call in (
        client.patch(url, json={"label": "Black tea"}, headers={"If-Match": etag}),
        client.delete(url, headers={"If-Match": etag}),
        client.delete(f"{url}/references/{made['references'][0]['id']}", headers={"If-Match": etag}),
    ):
        assert problem(call)[:2] == (412, "precondition-failed")
    assert client.get(url).json()["label"] == "Green tea"
    assert problem(client.patch(url, json={"label": "x"}, headers={"If-Match": "tea"})) == (
        400,
        "malformed",
        "If-Match",
    )
    assert client.delete(url, headers={"If-Match": "*"}).status_code == 200


def test_a_change_must_leave_an_item_that_can_be(client: TestClient, fingerprint: str) -> None:
    made = enrol(client, fingerprint, "Tea", 1)
    url = f"/galleries/things/items/{made['item_id']}"
    assert problem(client.patch(url, json={"label": None})) == (422, "unprocessable", "label")
    assert problem(client.patch(url, json={"metadata": None})) == (422, "unprocessable", "metadata")
    assert problem(client.patch(url, json={"metadata": {"x": "y" * 17_000}})) == (422, "unprocessable", "metadata")
    assert problem(client.patch("/galleries/things/items/nobody", json={"label": "x"}))[0] == 404
    negative = enrol(client, fingerprint, None, 2, negative=True)
    refused = client.patch(f"/galleries/things/items/{negative['item_id']}", json={"label": "Tea"})
    assert problem(refused) == (422, "unprocessable", "label")


def test_a_deleted_item_is_gone_with_the_answer(client: TestClient, fingerprint: str, tmp_path: Any) -> None:
    made = enrol(client, fingerprint, "Tea", 1)
    enrol(client, fingerprint, "Soy", 2)
    files = [path for path in (tmp_path / "data" / "pictures").glob("*/*") if path.is_file()]
    assert len(files) == 2
    url = f"/galleries/things/items/{made['item_id']}"
    assert client.delete(url).json() == {"revision": 3}
    assert problem(client.get(url))[0] == 404
    labels = [c["label"] for c in post_search(client, fingerprint, vectors(1)).json()["hits"][0]["candidates"]]
    assert labels == ["Soy"]
    assert problem(client.get(f"/galleries/things/references/{made['references'][0]['id']}/picture"))[0] == 404
    assert len([path for path in files if path.exists()]) == 1
    assert problem(client.delete(url))[0] == 404
    assert client.get("/galleries/things").json()["revision"] == 3


def test_a_picture_that_another_reference_shows_stays(client: TestClient, fingerprint: str) -> None:
    first = post_item(client, new_item(fingerprint, label="A"), vectors(1), [png(1)]).json()
    second = post_item(client, new_item(fingerprint, label="B"), vectors(2), [png(1)], gallery="others").json()
    client.delete(f"/galleries/things/items/{first['item_id']}")
    picture = client.get(f"/galleries/others/references/{second['references'][0]['id']}/picture")
    assert picture.content == png(1)


def test_one_reference_can_be_deleted_but_not_the_last(client: TestClient, fingerprint: str) -> None:
    made = enrol(client, fingerprint, "Tea", 1, count=2)
    other = enrol(client, fingerprint, "Soy", 2)
    url = f"/galleries/things/items/{made['item_id']}"
    first, second = (reference["id"] for reference in made["references"])
    assert client.delete(f"{url}/references/{first}").json() == {"revision": 3}
    item = client.get(url).json()
    assert ([one["id"] for one in item["references"]], item["revision"]) == ([second], 3)
    hit = post_search(client, fingerprint, vectors(1, 2)[:1]).json()["hits"][0]
    assert all(candidate["reference_id"] != first for candidate in hit["candidates"])
    refused = client.delete(f"{url}/references/{second}")
    assert problem(refused)[:2] == (409, "conflict")
    assert "delete the item" in refused.json()["detail"]
    assert problem(client.delete(f"{url}/references/{other['references'][0]['id']}"))[0] == 404


def test_pages_are_whole_while_the_list_changes(client: TestClient, fingerprint: str) -> None:
    ids = [enrol(client, fingerprint, f"Label {number}", number)["item_id"] for number in range(7)]
    first = client.get("/galleries/things/items", params={"limit": 3}).json()
    assert [item["id"] for item in first["items"]] == ids[:3]
    client.delete(f"/galleries/things/items/{ids[0]}")
    client.delete(f"/galleries/things/items/{ids[2]}")
    client.delete(f"/galleries/things/items/{ids[4]}")
    added = enrol(client, fingerprint, "Late", 99)["item_id"]
    second = client.get("/galleries/things/items", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in second["items"]] == [ids[3], ids[5], ids[6]]
    third = client.get("/galleries/things/items", params={"limit": 3, "cursor": second["next_cursor"]}).json()
    assert [item["id"] for item in third["items"]] == [added]
    assert third["next_cursor"] is None
    for cursor in ("%%%", "MTk5eA", "x"):
        assert problem(client.get("/galleries/things/items", params={"cursor": cursor}))[:2] == (400, "malformed")
    assert problem(client.get("/galleries/things/items", params={"limit": 1001}))[0] == 422


def test_filters_pick_by_label_part_of_label_and_metadata(client: TestClient, fingerprint: str) -> None:
    enrol(
        client,
        fingerprint,
        "Grüner Tee 100%",
        1,
        metadata={"shelf": 3, "organic": True, "by": "Ö & co", "deep": {"x": 1}},
    )
    enrol(client, fingerprint, "GRÜNER_KOHL", 2, metadata={"shelf": 4, "organic": True})
    enrol(client, fingerprint, "Brot", 3, metadata={"shelf": "3"})

    def labels(**params: str) -> list[str]:
        return [item["label"] for item in client.get("/galleries/things/items", params=params).json()["items"]]

    assert labels(label="Brot") == ["Brot"]
    assert labels(label="brot") == []
    assert labels(q="grüner") == ["Grüner Tee 100%", "GRÜNER_KOHL"]
    assert labels(q="0%") == ["Grüner Tee 100%"]
    assert labels(q="_") == ["GRÜNER_KOHL"]
    assert labels(**{"metadata.shelf": "3"}) == ["Grüner Tee 100%", "Brot"]
    assert labels(**{"metadata.organic": "true", "metadata.shelf": "4"}) == ["GRÜNER_KOHL"]
    assert labels(**{"metadata.by": "Ö & co", "q": "tee"}) == ["Grüner Tee 100%"]
    assert labels(**{"metadata.nothing": "3"}) == []


def test_a_search_waits_for_a_revision_only_so_long(client: TestClient, fingerprint: str) -> None:
    enrol(client, fingerprint, "Tea", 1)
    behind = post_search(client, fingerprint, vectors(1), min_revision=2)
    assert problem(behind)[:2] == (503, "not-ready")
    assert behind.headers["retry-after"] == "1"


def test_a_search_refuses_what_are_no_embeddings(client: TestClient, fingerprint: str) -> None:
    enrol(client, fingerprint, "Tea", 1)
    assert problem(post_search(client, fingerprint, vectors(1) * 3)) == (422, "unprocessable", "embeddings")
    assert problem(post_search(client, fingerprint, vectors(1, 1, 5))) == (422, "unprocessable", "embeddings")
    assert problem(post_search(client, fingerprint, vectors(1, 300)))[0] == 422
    assert problem(post_search(client, fingerprint, vectors(1), k=0))[0] == 422
    assert problem(post_search(client, fingerprint, vectors(1), gallery="nothing"))[0] == 404
    url = f"/galleries/things/search?fingerprint={fingerprint}"
    rows = vectors(1, 2).tolist()
    assert client.post(url, json={"embeddings": rows}).json()["hits"][0]["candidates"][0]["label"] == "Tea"
    assert problem(client.post(url, json={"embeddings": [rows[0], rows[1][:3]]}))[0] == 400
    assert problem(client.post(url, json={"embeddings": []}))[0] == 422
    assert problem(client.post(url, content=b"\x00", headers={"Content-Type": "text/plain"}))[0] == 400


def test_a_reference_shows_its_picture_whole_small_or_cropped(client: TestClient, fingerprint: str) -> None:
    stream = io.BytesIO()
    picture = Image.new("RGB", (400, 200), "white")
    picture.paste((200, 0, 0), (0, 0, 100, 200))
    picture.save(stream, "PNG")
    item = new_item(fingerprint, label="Flag")
    item.references[0].box = (-5, 0, 100, 200)
    made = post_item(client, item, vectors(1), [stream.getvalue()]).json()
    url = f"/galleries/things/references/{made['references'][0]['id']}/picture"
    original = client.get(url)
    assert original.content == stream.getvalue()
    assert original.headers["content-type"] == "image/png"
    assert "immutable" in original.headers["cache-control"]
    small = client.get(url, params={"size": 100})
    assert small.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.content)).size == (100, 50)
    cropped = Image.open(io.BytesIO(client.get(url, params={"size": 100, "crop": True}).content)).convert("RGB")
    assert cropped.size == (50, 100)
    red, green, blue = cropped.getpixel((25, 50))
    assert red > 180
    assert max(green, blue) < 30
    assert problem(client.get(url, params={"size": 5}))[0] == 422


def test_a_picture_that_cannot_be_decoded_is_a_clear_problem(client: TestClient, fingerprint: str) -> None:
    made = post_item(client, new_item(fingerprint, label="Tea"), vectors(1), [b"no picture"]).json()
    url = f"/galleries/things/references/{made['references'][0]['id']}/picture"
    assert problem(client.get(url, params={"size": 64}))[0] == 415
