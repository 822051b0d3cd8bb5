"""A public client of the Open Inference Protocol (NVIDIA's ``tritonclient``) talks to the extractor."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from kenspeckle.bundle import read_bundle
from services.extractor.app import create_app
from services.extractor.settings import ExtractorSettings
from tests.fixtures.bundles import DIM, embed, thing
from tests.fixtures.servers import serving

NAME = "toy-extractor"


@pytest.fixture(scope="module")
def client(bundles: Path) -> Iterator[triton.InferenceServerClient]:
    with serving(create_app(ExtractorSettings(models_dir=bundles, threads=1))) as url:
        client = triton.InferenceServerClient(url.removeprefix("http://"))
        yield client
        client.close()


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert not client.is_model_ready("none")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata(NAME)
    assert metadata["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, DIM]}]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_inference(client: triton.InferenceServerClient, bundles: Path, binary_in: bool, binary_out: bool) -> None:
    crops = np.stack([np.asarray(thing(seed, 32)) for seed in (1, 2, 3)])
    image = triton.InferInput("image", list(crops.shape), "UINT8")
    image.set_data_from_numpy(crops, binary_data=binary_in)
    output = triton.InferRequestedOutput("embedding", binary_data=binary_out)
    answer = client.infer(NAME, [image], outputs=[output], request_id="42")
    assert answer.get_response()["id"] == "42"
    expected = embed(read_bundle(bundles / "extractor"), crops)
    np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-6)


def test_a_refusal_reaches_the_client_as_text(client: triton.InferenceServerClient) -> None:
    image = triton.InferInput("image", [1, 8, 8, 3], "UINT8")
    image.set_data_from_numpy(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(InferenceServerException, match=r"must be UINT8 \[N, 32, 32, 3\]"):
        client.infer(NAME, [image])
