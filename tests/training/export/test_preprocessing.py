import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from training.data.transforms import build_transforms
from training.export.network import EmbeddingNetwork
from training.export.preprocessing import preprocessing_of

SQUASH = {"ResizeImage": {"size": [24, 16]}}
CHAINS = {
    "scale as arithmetic": [SQUASH, {"NormalizeImage": {"scale": "1.0/255.0", "order": ""}}],
    "order chw": [
        {"DecodeImage": {"to_rgb": True}},
        SQUASH,
        {"ToCHWImage": None},
        {"NormalizeImage": {"order": "chw"}},
    ],
    "own mean": [SQUASH, {"NormalizeImage": {"scale": 1, "mean": [127, 120, 90], "std": [128, 1, 3], "order": "hwc"}}],
    "as the frameworks": [SQUASH, {"ToTensor": None}, {"Normalize": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}}],
    "nothing": [SQUASH],
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_network_of_a_bundle_sees_what_the_chain_gave_in_training(name: str) -> None:
    ops = CHAINS[name]
    found = preprocessing_of(ops)
    assert (found.width, found.height, found.crops) == (24, 16, False)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    chain = build_transforms(ops)
    expected = torch.from_numpy(chain.chw(chain.decode(buffer.getvalue()), np.random.default_rng(0)))
    network = EmbeddingNetwork(nn.Flatten(), 1.0, found.mean, found.std)
    seen = network(torch.from_numpy(pixels)[None])[0].reshape(3, 16, 24)
    torch.testing.assert_close(seen, expected / expected.norm(), atol=1e-5, rtol=1e-4)


def test_a_centre_crop_gives_the_size_and_is_told() -> None:
    found = preprocessing_of([{"ResizeImage": {"resize_short": 32}}, {"CropImage": {"size": 28}}])
    assert (found.width, found.height, found.crops) == (28, 28, True)


@pytest.mark.parametrize(
    "ops",
    [
        [SQUASH, {"ColorJitter": {"brightness": 0.9}}],
        [{"DecodeImage": {"to_rgb": False}}, SQUASH],
        [SQUASH, {"RandomGrayscale": {"p": 1.0}}],
    ],
)
def test_a_chain_that_a_graph_cannot_do_is_refused(ops: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="transforms of evaluation"):
        preprocessing_of(ops)  # type: ignore[arg-type]
