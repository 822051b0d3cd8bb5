"""The extractor over HTTP."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from kenspeckle.bundle import read_bundle
from services.common.tensors import MEDIA_TYPE as NPY
from services.common.tensors import decode_npy, encode_npy
from services.extractor.app import create_app
from services.extractor.settings import ExtractorSettings
from tests.fixtures.bundles import BITS, DIM, embed, scene, thing, write_extractor, write_variant

INFER = "/v2/models/toy-extractor/infer"


def things(*seeds: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(thing(seed, 32)) for seed in seeds])


def png(left: int, right: int) -> bytes:
    stream = io.BytesIO()
    scene(left, right).save(stream, "PNG")
    return stream.getvalue()


def post_crops(client: TestClient, crops: NDArray[Any], **options: Any) -> Any:
    return client.post("/embed", content=encode_npy(crops), headers={"Content-Type": NPY}, **options)


def test_crops_give_the_bundles_embeddings_and_its_fingerprint(client: TestClient, bundles: Path) -> None:
    response = post_crops(client, things(1, 2, 3))
    assert response.status_code == 200
    bundle = read_bundle(bundles / "extractor")
    np.testing.assert_allclose(
        decode_npy(response.content, np.float32, (3, DIM)), embed(bundle, things(1, 2, 3)), atol=1e-6
    )
    assert response.headers["Kenspeckle-Fingerprint"] == bundle.card.fingerprint


def test_a_crop_gets_the_same_embedding_in_any_company(client: TestClient) -> None:
    alone = decode_npy(post_crops(client, things(1)).content, np.float32, (1, DIM))
    together = decode_npy(post_crops(client, things(5, 1, 6, 7)).content, np.float32, (4, DIM))
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)


def test_a_picture_with_boxes_is_cut_by_the_cards_rule(client: TestClient) -> None:
    boxes = [[80, 100, 240, 260], [400, 100, 560, 260]]
    response = client.post(
        "/embed", files={"image": png(1, 2)}, data={"boxes": json.dumps(boxes)}, headers={"Accept": "application/json"}
    )
    direct = decode_npy(post_crops(client, things(1, 2)).content, np.float32, (2, DIM))
    got = np.asarray(response.json(), np.float32)
    assert (got * direct).sum(axis=1).min() > 0.98
    assert abs((got[0] * direct[1]).sum()) < 0.7


def test_another_bundle_is_chosen_by_name(client: TestClient, bundles: Path) -> None:
    response = post_crops(client, things(1), params={"model": "other-extractor"})
    assert response.headers["Kenspeckle-Fingerprint"] == read_bundle(bundles / "other").card.fingerprint
    assert [model["name"] for model in client.get("/models").json()] == ["toy-extractor", "other-extractor"]


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b"no array", 400, "malformed"),
        (encode_npy(np.zeros((1, 16, 16, 3), np.uint8)), 422, "unprocessable"),
        (encode_npy(np.zeros((1, 32, 32, 3), np.float32)), 422, "unprocessable"),
        (encode_npy(np.zeros((0, 32, 32, 3), np.uint8)), 422, "unprocessable"),
        (encode_npy(np.zeros((9, 32, 32, 3), np.uint8)), 413, "too-large"),
        (encode_npy(np.zeros((2, 32, 32, 3), np.uint8))[:-1], 400, "malformed"),
    ],
)
def test_other_tensors_are_refused(client: TestClient, content: bytes, status: int, slug: str) -> None:
    response = client.post("/embed", content=content, headers={"Content-Type": NPY})
    assert response.status_code == status
    assert response.json()["type"] == f"urn:kenspeckle:problem:{slug}"


def test_a_header_that_promises_terabytes_allocates_nothing(client: TestClient) -> None:
    honest = encode_npy(np.zeros((1, 32, 32, 3), np.uint8))
    hostile = honest.replace(b"(1, 32, 32, 3), }     ", b"(999999999, 32, 32, 3), }"[:22].ljust(22))
    response = client.post("/embed", content=hostile, headers={"Content-Type": NPY})
    assert response.status_code in (400, 413, 422)


@pytest.mark.parametrize("boxes", ["", "nonsense", "[[1,2,3]]", "[[0,0,NaN,5]]", "[[900,900,950,950]]", "{}"])
def test_bad_boxes_name_the_field(client: TestClient, boxes: str) -> None:
    response = client.post("/embed", files={"image": png(1, 2)}, data={"boxes": boxes})
    assert response.status_code == 422
    assert response.json()["field"] == "boxes"


def test_an_unknown_model_is_not_found(client: TestClient) -> None:
    assert post_crops(client, things(1), params={"model": "none"}).status_code == 404


def test_protocol_metadata_describes_the_model(client: TestClient) -> None:
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2/models/toy-extractor/ready").json()["ready"] is True
    metadata = client.get("/v2/models/toy-extractor").json()
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}]
    assert metadata["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, DIM]}]


@pytest.mark.parametrize("nested", [True, False])
def test_inference_with_json_tensors(client: TestClient, nested: bool) -> None:
    crops = things(1, 2)
    data = crops.tolist() if nested else crops.ravel().tolist()
    request = {"id": "7", "inputs": [{"name": "image", "shape": [2, 32, 32, 3], "datatype": "UINT8", "data": data}]}
    answer = client.post(INFER, json=request).json()
    assert (answer["id"], answer["model_name"]) == ("7", "toy-extractor")
    got = np.asarray(answer["outputs"][0]["data"], np.float32).reshape(answer["outputs"][0]["shape"])
    np.testing.assert_allclose(got, decode_npy(post_crops(client, crops).content, np.float32, (2, DIM)), atol=1e-6)


def binary_request(crops: NDArray[np.uint8], size: int | None = None) -> tuple[bytes, dict[str, str]]:
    tensor = {
        "name": "image",
        "shape": list(crops.shape),
        "datatype": "UINT8",
        "parameters": {"binary_data_size": crops.nbytes if size is None else size},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + crops.tobytes(), {"Inference-Header-Content-Length": str(len(head))}


def test_inference_with_binary_tensors(client: TestClient) -> None:
    content, headers = binary_request(things(1, 2))
    response = client.post(INFER, content=content, headers=headers)
    cut = int(response.headers["Inference-Header-Content-Length"])
    output = json.loads(response.content[:cut])["outputs"][0]
    assert output["parameters"]["binary_data_size"] == len(response.content) - cut
    got = np.frombuffer(response.content[cut:], "<f4").reshape(output["shape"])
    np.testing.assert_allclose(
        got, decode_npy(post_crops(client, things(1, 2)).content, np.float32, (2, DIM)), atol=1e-6
    )


def test_broken_inference_requests_get_an_error_as_the_protocol_wants_it(client: TestClient) -> None:
    content, headers = binary_request(things(1), size=5)
    for response in (
        client.post(INFER, content=content, headers=headers),
        client.post(INFER, content=content, headers={"Inference-Header-Content-Length": "999999"}),
        client.post(INFER, content=b"{"),
        client.post(INFER, json={"inputs": []}),
        client.post(
            INFER, json={"inputs": [{"name": "image", "shape": [1, 32, 32, 3], "datatype": "UINT8", "data": [300]}]}
        ),
        client.post(
            INFER, json={"inputs": [{"name": "image", "shape": [-1, 32, 32, 3], "datatype": "UINT8", "data": []}]}
        ),
        client.post("/v2/models/none/infer", json={}),
    ):
        assert 400 <= response.status_code < 500
        assert response.json()["error"]


def test_with_an_admin_key_embedding_needs_it_and_health_does_not(bundles: Path) -> None:
    settings = ExtractorSettings.model_validate({"models_dir": bundles, "admin_key": "s3cret"})
    with TestClient(create_app(settings)) as client:
        assert post_crops(client, things(1)).status_code == 401
        assert client.get("/models").status_code == 401
        assert client.post("/v2/models/toy-extractor/infer", json={}).status_code == 401
        assert client.get("/readyz").status_code == 200
        headers = {"Content-Type": NPY, "Authorization": "Bearer s3cret"}
        assert client.post("/embed", content=encode_npy(things(1)), headers=headers).status_code == 200


def test_a_bad_bundle_leaves_the_process_up_not_ready_and_names_the_reason(bundles: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(bundles / "extractor", tmp_path / "broken"))
    (broken / "model.onnx").write_bytes(b"not a model")
    with TestClient(create_app(ExtractorSettings(bundles=(broken, bundles / "other")))) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "model.onnx is not the file" in ready.json()["checks"][str(broken)]
        assert client.get("/livez").status_code == 200
        assert post_crops(client, things(1), params={"model": "other-extractor"}).status_code == 200
        unnamed = post_crops(client, things(1))
        assert unnamed.status_code == 503
        assert "model.onnx is not the file" in unnamed.json()["detail"]
        assert client.get("/models").status_code == 503


def test_a_variant_of_the_bundle_serves_under_its_own_fingerprint(bundles: Path, tmp_path: Path) -> None:
    bundle = write_variant(tmp_path / "variant", read_bundle(bundles / "extractor"))
    settings = ExtractorSettings(bundles=(bundle.path,), variant="model.int8.onnx")
    with TestClient(create_app(settings)) as client:
        response = post_crops(client, things(1, 2))
    assert response.headers["Kenspeckle-Fingerprint"] == bundle.card.models["model.int8.onnx"].fingerprint
    got = decode_npy(response.content, np.float32, (2, DIM))
    cosines = (got * embed(bundle, things(1, 2))).sum(axis=1)
    assert (cosines > 0.9).all()
    assert (cosines < 0.99999).all()


def test_the_bits_of_a_hashing_model_come_as_codes_of_unit_length(tmp_path: Path) -> None:
    bundle = write_extractor(tmp_path / "hashing", hashing=True)
    with TestClient(create_app(ExtractorSettings(bundles=(bundle.path,)))) as client:
        got = decode_npy(post_crops(client, things(1, 2)).content, np.float32, (2, BITS))
        assert client.get("/models").json()[0]["dim"] == BITS
    np.testing.assert_array_equal(got, embed(bundle, things(1, 2)))
    np.testing.assert_allclose(np.abs(got), 1 / np.sqrt(BITS), atol=1e-7)


def test_cuda_that_is_not_to_be_had_is_said_and_not_served_on_the_cpu(bundles: Path) -> None:
    with TestClient(create_app(ExtractorSettings(models_dir=bundles, provider="cuda"))) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "CUDAExecutionProvider was asked for" in str(ready.json()["checks"])
        assert post_crops(client, things(1)).status_code == 503


def test_metrics_name_the_stages(client: TestClient) -> None:
    post_crops(client, things(1))
    text = client.get("/metrics").text
    assert 'kenspeckle_extractor_stage_seconds_count{stage="run"}' in text
    assert 'kenspeckle_extractor_request_seconds_count{method="POST",route="/embed",status="200"}' in text
