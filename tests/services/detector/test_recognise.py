"""POST /recognize and /detect over HTTP with the toy models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from services import standalone
from services.detector.settings import DetectorSettings
from services.extractor.settings import ExtractorSettings
from services.indexer.settings import IndexerSettings
from tests.fixtures.bundles import scene, thing, write_extractor
from tests.fixtures.stacks import encode, standalone_app

Call = Callable[..., dict[str, Any]]


def test_a_thing_is_recognised_as_soon_as_it_was_added(add: Call, recognize: Call) -> None:
    before = recognize(scene(1, 2))
    assert [one["decision"] for one in before["objects"]] == ["unknown", "unknown"]
    revision = add(thing(1), label="one")["revision"]
    after = recognize(scene(1, 2), min_revision=revision)
    named = {one["label"]: one for one in after["objects"]}
    assert set(named) == {"one", None}
    assert named["one"]["decision"] == "known"
    assert named["one"]["source"] == "detector"
    assert named["one"]["box"] == pytest.approx([80, 100, 240, 262.5], abs=10)
    assert named[None]["candidates"][0]["label"] == "one"
    assert after["gallery"] == {"name": "default", "revision": revision}


def test_the_answer_names_picture_models_and_request(stack: TestClient) -> None:
    response = stack.post("/recognize", content=encode(scene(1, 2)), headers={"X-Request-ID": "mine-7"})
    answer = response.json()
    assert answer["request_id"] == response.headers["X-Request-ID"] == "mine-7"
    assert (answer["image"]["width"], answer["image"]["height"]) == (640, 400)
    models = {one["kind"]: one["fingerprint"] for one in stack.get("/models").json()}
    assert answer["models"] == models
    assert answer["timings_ms"] is None


def test_a_form_and_a_raw_body_get_the_same_answer(stack: TestClient, add: Call) -> None:
    add(thing(1), label="one")
    data = encode(scene(1, 2))
    raw = stack.post("/recognize", content=data, params={"top_k": 1, "max_objects": 1}).json()
    form = stack.post("/recognize", files={"image": data}, data={"top_k": "1", "max_objects": "1"}).json()
    mixed = stack.post("/recognize?top_k=9", files={"image": data}, data={"top_k": "1", "max_objects": "1"}).json()
    assert raw["objects"] == form["objects"] == mixed["objects"]
    assert len(raw["objects"]) == len(raw["objects"][0]["candidates"]) == 1


def test_given_boxes_replace_the_detector_in_their_order(add: Call, recognize: Call) -> None:
    add(thing(1), label="one")
    answer = recognize(scene(1, 2), boxes=json.dumps([[400, 100, 560, 260], [80, 100, 240, 260]]))
    assert [one["source"] for one in answer["objects"]] == ["given", "given"]
    assert [one["label"] for one in answer["objects"]] == [None, "one"]
    assert answer["models"]["detector"] is None


def test_given_boxes_are_cut_at_the_picture(recognize: Call) -> None:
    answer = recognize(scene(1, 2), boxes="[[-50, -50, 700, 100]]")
    assert answer["objects"][0]["box"] == [0, 0, 640, 100]


@pytest.mark.parametrize(
    "boxes", ["[[10,10,5,20]]", "[[700,10,800,20]]", "[[0,0,0.5,9]]", "[]", "[[1,2,3]]", "[[1,2,3,NaN]]", "x", "7"]
)
def test_boxes_that_cannot_be_used_name_the_field(stack: TestClient, boxes: str) -> None:
    response = stack.post("/recognize", content=encode(scene(1, 2)), params={"boxes": boxes})
    assert response.status_code == 422
    assert response.json()["field"].startswith("boxes")


def test_without_detection_the_whole_picture_is_the_object(add: Call, recognize: Call) -> None:
    add(thing(3), label="three")
    answer = recognize(thing(3), detect="false")
    assert [(one["source"], one["label"]) for one in answer["objects"]] == [("whole", "three")]
    assert answer["models"]["detector"] is None


def test_a_thing_that_fills_the_frame_is_known_through_the_whole_picture(add: Call, recognize: Call) -> None:
    add(thing(4), label="four")  # the toy detector finds the two halves of such a picture, never the thing
    answer = recognize(thing(4))
    assert [(one["source"], one["label"]) for one in answer["objects"]] == [("whole", "four")]


def test_objects_come_best_detected_first_and_bounded(recognize: Call) -> None:
    scores = [one["detection_score"] for one in recognize(scene(1, 2))["objects"]]
    assert scores == sorted(scores, reverse=True)
    assert len(recognize(scene(1, 2), max_objects=1)["objects"]) == 1


def test_the_asked_rate_decides(add: Call, recognize: Call) -> None:
    add(thing(1), label="one")
    strict = recognize(scene(1, None), false_accept_rate=0.001)["objects"][0]
    assert strict["decision"] == "unknown"
    assert "cannot promise" in strict["reason"]
    assert recognize(scene(1, None), false_accept_rate=0.05)["objects"][0]["decision"] == "known"


def test_extras_come_when_asked_for(recognize: Call) -> None:
    answer = recognize(scene(1, 2), include="timings,embeddings")
    assert {"decode", "detect", "crop", "embed", "search", "decide", "total"} <= set(answer["timings_ms"])
    vectors = np.array([one["embedding"] for one in answer["objects"]])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
    assert recognize(scene(1, 2))["objects"][0]["embedding"] is None


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"max_objects": 0}, "max_objects"),
        ({"max_objects": 101}, "max_objects"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": "many"}, "top_k"),
        ({"false_accept_rate": 0}, "false_accept_rate"),
        ({"false_accept_rate": 1}, "false_accept_rate"),
        ({"false_accept_rate": "nan"}, "false_accept_rate"),
        ({"min_revision": -1}, "min_revision"),
        ({"detect": "perhaps"}, "detect"),
        ({"include": "everything"}, "include"),
        ({"gallery": "Not A Name"}, "gallery"),
        ({"gallery": "../x"}, "gallery"),
    ],
)
def test_parameters_out_of_range_name_the_field(stack: TestClient, params: dict[str, Any], field: str) -> None:
    response = stack.post("/recognize", content=encode(scene(1, 2)), params=params)
    assert response.status_code == 422
    assert response.json()["field"].startswith(field)
    assert response.headers["content-type"] == "application/problem+json"


def test_unknown_parameters_are_ignored(recognize: Call) -> None:
    assert recognize(scene(1, 2), colour="blue")["objects"]


def test_a_gallery_that_is_not_there_is_said(stack: TestClient) -> None:
    response = stack.post("/recognize?gallery=nowhere", content=encode(scene(1, 2)))
    assert response.status_code == 404
    assert "nowhere" in response.json()["detail"]


def test_a_revision_that_never_comes_is_not_ready(stack: TestClient) -> None:
    response = stack.post("/recognize?min_revision=999", content=encode(scene(1, 2)))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1


def test_a_deadline_bounds_the_request(stack: TestClient) -> None:
    response = stack.post(
        "/recognize?min_revision=999", content=encode(scene(1, 2)), headers={"Kenspeckle-Deadline-Ms": "150"}
    )
    assert response.status_code == 504


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 422), (b"hello", 415), (b"\x89PNG\r\n\x1a\n", 415), (b"\xff\xd8\xff\xe0", 415)]
)
def test_bad_pictures_are_problems(stack: TestClient, content: bytes, status: int) -> None:
    response = stack.post("/recognize", content=content)
    assert response.status_code == status
    assert response.json()["field"] == "image"


def test_a_body_over_the_limit_is_refused_before_it_is_read(tmp_path: Path, toy_models: Path) -> None:
    with TestClient(standalone_app(toy_models, tmp_path, max_body_bytes=2000)) as client:
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
        for request in ({"content": encode(noise)}, {"files": {"image": encode(noise)}}):
            assert client.post("/recognize", **request).status_code == 413
        assert client.post("/recognize", content=iter([b"x" * 1500, b"x" * 1500])).status_code == 413
        assert client.post("/recognize", content=encode(Image.new("RGB", (9, 9)))).status_code == 200


def test_two_pictures_in_one_form_are_refused(stack: TestClient) -> None:
    files = [("image", encode(thing(1))), ("image", encode(thing(2)))]
    assert stack.post("/recognize", files=files).status_code == 422
    assert stack.post("/recognize", files={"photo": encode(thing(1))}).status_code == 422


def test_a_broken_form_is_malformed(stack: TestClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert stack.post("/recognize", content=b"--x\r\nnonsense", headers=headers).status_code in (400, 422)
    assert stack.post("/recognize", content=b"", headers={"Content-Type": "multipart/form-data"}).status_code == 400


def test_boxes_of_a_large_photo_are_in_its_own_pixels(add: Call, stack: TestClient) -> None:
    add(thing(1), label="one")
    photo = encode(scene(1, None, width=4000, height=2500), "JPEG", quality=90)
    answer = stack.post("/recognize", content=photo).json()
    assert (answer["image"]["width"], answer["image"]["height"]) == (4000, 2500)
    assert answer["objects"][0]["box"] == pytest.approx([500, 625, 1500, 1625], abs=70)
    assert answer["objects"][0]["label"] == "one"


def test_detect_gives_boxes_alone(stack: TestClient) -> None:
    answer = stack.post("/detect?max_objects=1", content=encode(scene(1, 2))).json()
    assert len(answer["objects"]) == 1
    assert set(answer["objects"][0]) == {"box", "score"}
    assert answer["models"]["detector"].startswith("sha256:")


def test_without_a_detector_bundle_it_says_so_and_whole_pictures_still_work(tmp_path: Path, toy_models: Path) -> None:
    detector = {"bundle": tmp_path / "nothing"}
    with TestClient(standalone_app(toy_models, tmp_path / "data", detector)) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "nothing" in ready.json()["checks"]["detector"]
        assert client.post("/recognize", content=encode(thing(1))).status_code == 503
        assert client.post("/recognize?detect=false", content=encode(thing(1))).status_code == 200


def test_it_is_not_ready_while_the_indexer_does_not_know_the_extractors_model(tmp_path: Path, toy_models: Path) -> None:
    write_extractor(tmp_path / "models" / "extractor", seed=1)
    app = standalone.create_app(
        DetectorSettings(models_dir=toy_models),
        ExtractorSettings(models_dir=toy_models),
        IndexerSettings(models_dir=tmp_path / "models", data_dir=tmp_path / "data"),
    )
    with TestClient(app) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "the extractor's fingerprint" in ready.json()["checks"]["fingerprints"]


def test_stages_are_measured(stack: TestClient, recognize: Call) -> None:
    recognize(scene(1, 2))
    text = stack.get("/metrics").text
    for stage in ("decode", "detect", "crop", "embed", "search", "decide", "total"):
        assert f'kenspeckle_detector_stage_seconds_count{{stage="{stage}"}} 1.0' in text
    assert "kenspeckle_extractor_stage_seconds" in text
    assert "kenspeckle_indexer_stage_seconds" in text
