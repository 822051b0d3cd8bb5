"""POST /gallery over HTTP with the toy models."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageFilter

from tests.fixtures.bundles import scene, thing
from tests.fixtures.stacks import encode

Call = Callable[..., dict[str, Any]]
SCENE = scene(1, None)


def post(stack: TestClient, *pictures: Image.Image, headers: dict[str, str] | None = None, **fields: str) -> Any:
    return stack.post("/gallery", files=[("image", encode(one)) for one in pictures], data=fields, headers=headers)


def test_the_best_box_stands_for_the_thing(stack: TestClient) -> None:
    reference = post(stack, SCENE, label="one").json()["references"][0]
    assert reference["source"] == "detector"
    assert reference["box"] == pytest.approx([80, 100, 240, 262.5], abs=10)


def test_where_nothing_is_detected_the_whole_picture_stands(stack: TestClient) -> None:
    dark = Image.new("RGB", (90, 60), (20, 30, 25))
    reference = post(stack, dark, label="night").json()["references"][0]
    assert (reference["source"], reference["box"]) == ("whole", [0, 0, 90, 60])


def test_the_whole_picture_or_a_box_can_be_asked_for(stack: TestClient) -> None:
    assert post(stack, SCENE, label="a", crop="whole").json()["references"][0]["source"] == "whole"
    given = post(stack, SCENE, label="b", box="[80, 100, 240, 260]").json()["references"][0]
    assert (given["source"], given["box"]) == ("given", [80, 100, 240, 260])


def test_several_pictures_become_references_in_order(stack: TestClient) -> None:
    answer = post(stack, thing(1), scene(2, None), label="both").json()
    assert [len(answer["references"]), answer["created"]] == [2, True]
    digests = [one["picture_sha256"] for one in answer["references"]]
    assert len(set(digests)) == 2
    more = post(stack, thing(3), label="both", item_id=answer["item_id"]).json()
    assert (more["created"], more["item_id"]) == (False, answer["item_id"])


def test_a_negative_needs_no_label_and_makes_its_likes_unknown(stack: TestClient, add: Call, recognize: Call) -> None:
    add(Image.blend(thing(1), thing(2), 0.1), label="one")
    assert recognize(scene(1, None))["objects"][0]["decision"] == "known"
    assert add(thing(1), negative="true")["negative"] is True
    answer = recognize(scene(1, None), top_k=2)["objects"][0]
    assert answer["decision"] == "unknown"
    assert post(stack, thing(2), label="x", negative="true").status_code == 422
    assert post(stack, thing(2)).status_code == 422


def test_metadata_and_labels_arrive_as_sent(stack: TestClient) -> None:
    answer = post(stack, thing(1), label=" Café  ☕ ", metadata='{"shelf": {"row": 3}}').json()
    item = stack.get(f"/galleries/default/items/{answer['item_id']}").json()
    assert (item["label"], item["metadata"]) == ("Café  ☕", {"shelf": {"row": 3}})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": "x", "box": "[0,0,1]"}, "box"),
        ({"label": "x", "box": "[900,0,950,9]"}, "box"),
        ({"label": "x", "crop": "tight"}, "crop"),
        ({"label": "x", "metadata": "[1]"}, "metadata"),
        ({"label": "x", "metadata": "{"}, "metadata"),
        ({"label": "x\ny"}, "label"),
        ({"label": "x" * 257}, "label"),
        ({"label": "x", "item_id": "a/b"}, "item_id"),
        ({"label": "x", "gallery": "UPPER"}, "gallery"),
        ({}, "label"),
    ],
)
def test_bad_fields_are_named(stack: TestClient, fields: dict[str, str], field: str) -> None:
    response = post(stack, SCENE, **fields)
    assert response.status_code == 422
    assert response.json()["field"].startswith(field)
    assert stack.get("/galleries/default").json()["items"] == 0


def test_one_bad_picture_and_nothing_is_added(stack: TestClient) -> None:
    files = [("image", encode(thing(1))), ("image", b"not a picture")]
    assert stack.post("/gallery", files=files, data={"label": "x"}).status_code == 415
    assert stack.get("/galleries/default").json()["references"] == 0


def test_a_form_without_pictures_is_refused(stack: TestClient) -> None:
    assert stack.post("/gallery", data={"label": "x"}).status_code == 422


def test_a_box_belongs_to_one_picture(stack: TestClient) -> None:
    assert post(stack, thing(1), thing(2), label="x", box="[0,0,50,50]").json()["field"] == "box"


def test_the_same_request_twice_adds_once(stack: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = post(stack, SCENE, label="one", headers=headers)
    again = post(stack, SCENE, label="one", headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["item_id"] == again.json()["item_id"]
    assert stack.get("/galleries/default").json()["references"] == 1
    assert post(stack, SCENE, label="two", headers=headers).status_code == 409


def test_a_new_gallery_is_made_and_a_later_search_waits_for_nothing(stack: TestClient) -> None:
    answer = post(stack, SCENE, label="one", gallery="fresh").json()
    params = {"gallery": "fresh", "min_revision": answer["revision"]}
    found = stack.post("/recognize", content=encode(SCENE), params=params).json()
    assert found["objects"][0]["label"] == "one"


def test_doubtful_pictures_are_added_with_a_warning(stack: TestClient, add: Call) -> None:
    def poor(image: Image.Image, **fields: str) -> str:
        warnings = add(image, label="x", **fields)["warnings"]
        return " ".join(one["message"] for one in warnings if one["code"] == "poor")

    assert "pixels" in poor(thing(5, side=30))
    board = Image.fromarray(np.kron(np.indices((4, 4)).sum(0) % 2 * 255, np.ones((50, 50))).astype(np.uint8))
    assert "blurred" not in poor(board)
    assert "blurred" in poor(board.filter(ImageFilter.GaussianBlur(12)))
    halves = Image.new("RGB", (200, 100))
    halves.paste(thing(7, side=60), (0, 20))
    assert "cut off" in poor(halves, crop="auto")
    assert poor(SCENE, crop="auto") == ""


def test_lookalikes_and_duplicates_are_warned_of(add: Call) -> None:
    add(thing(1), label="one")
    codes = {one["code"] for one in add(thing(1), label="other")["warnings"]}
    assert {"looks_like", "duplicate"} <= codes


def test_metadata_deep_as_a_well_is_refused(stack: TestClient) -> None:
    response = post(stack, SCENE, label="x", metadata="[" * 100_000)
    assert response.status_code == 422
    deep = json.dumps({"a": "b" * 300_000})
    assert post(stack, SCENE, label="x", metadata=deep).status_code in (400, 413, 422)
