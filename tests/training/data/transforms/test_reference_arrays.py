"""Against arrays of the reference stack (OpenCV 4.11, Pillow 13); with OpenCV 5.0 they are the same, bit for bit."""

import os
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.transforms import build_transforms

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", Path(__file__).parents[5] / "shared"))
FIXTURES = SHARED / "reference/fixtures/recmodel"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FIXTURES.exists(), reason=f"no reference arrays at {FIXTURES} (KENSPECKLE_SHARED)"),
]
RNG = np.random.default_rng(0)


class PythonRandom:
    """Draws as a generator does, from Python's module, so that draws come as they did in the reference stack."""

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)

    def integers(self, low: int, high: int) -> int:
        return random.randint(low, high - 1)

    def random(self) -> float:
        return random.random()


def run(ops: list[Any], image: NDArray[Any], rng: Any = RNG) -> NDArray[Any]:
    return build_transforms(ops)(image, rng)


def load(name: str) -> dict[str, NDArray[Any]]:
    with np.load(FIXTURES / name) as file:
        return dict(file)


@pytest.mark.parametrize("number", range(5))
def test_resized_images_are_the_same(number: int) -> None:
    arrays = load(f"transform_resize_{number}.npz")
    image = arrays.pop("image")
    special = {"cv2_default_short24": {"resize_short": 24}, "cv2_default_size28": {"size": 28}}
    for key, wanted in arrays.items():
        parameters = special.get(key)
        if parameters is None:
            found = re.fullmatch(r"(cv2|pil)_(\w+)_w(\d+)h(\d+)", key)
            assert found is not None
            size = [int(found[3]), int(found[4])]
            parameters = {"backend": found[1], "interpolation": found[2], "size": size}
        assert np.array_equal(run([{"ResizeImage": parameters}], image), wanted), key


def test_crop_and_normalised_values_are_the_same() -> None:
    arrays = load("transform_crop_norm.npz")
    assert np.array_equal(run([{"ResizeImage": {"resize_short": 24}}], arrays["image"]), arrays["resized"])
    crop = run([{"CropImage": {"size": 20}}], arrays["resized"])
    assert np.array_equal(crop, arrays["crop"])
    for key, parameters in {
        "norm_scale_str": {"scale": "1.0/255.0", "order": ""},
        "norm_scale_float": {"scale": 0.00392157, "order": "hwc"},
    }.items():
        assert np.array_equal(run([{"NormalizeImage": parameters}], crop), arrays[key]), key
    assert np.array_equal(run([{"ToCHWImage": None}, {"NormalizeImage": {}}], crop), arrays["norm_default_chw"])
    assert np.array_equal(run([{"NormalizeImage": {"order": ""}}, {"ToCHWImage": {}}], crop), arrays["chw"])


@pytest.mark.parametrize(
    ("name", "resize", "order"),
    [
        ("v1", {"size": 32}, ""),
        ("v2", {"size": [32, 32], "return_numpy": False, "interpolation": "bilinear", "backend": "cv2"}, "hwc"),
    ],
)
def test_evaluation_chains_from_encoded_pictures(name: str, resize: dict[str, Any], order: str) -> None:
    arrays = load("transform_eval_pipelines.npz")
    normalise = {"scale": "1.0/255.0", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "order": order}
    decode = {"DecodeImage": {"to_rgb": True, "channel_first": False}}
    chain = build_transforms([decode, {"ResizeImage": resize}, {"NormalizeImage": normalise}])
    image = chain(chain.decode(arrays["png"].tobytes()), RNG)
    assert np.array_equal(image, arrays[name])
    assert np.array_equal(chain.chw(chain.decode(arrays["png"].tobytes()), RNG), image.transpose(2, 0, 1))


@pytest.mark.parametrize("seed", range(3))
def test_random_operations_with_the_same_draws_are_the_same(seed: int) -> None:
    arrays = load("transform_random_seeded.npz")
    ops = {"flip1": {"RandFlipImage": {"flip_code": 1}}, "randcrop24": {"RandCropImage": {"size": 24}}}
    for key, op in ops.items():
        random.seed(seed)
        assert np.array_equal(run([op], arrays["image"], PythonRandom()), arrays[f"{key}_{seed}"]), key
    random.seed(seed)
    erased = run([{"RandomErasing": {"EPSILON": 0.9}}], np.ones((18, 24, 3), np.float32), PythonRandom())
    assert np.array_equal(erased == 0, arrays[f"erasing_{seed}"] == 0)


def test_a_border_is_the_same() -> None:
    arrays = load("transform_random_seeded.npz")
    assert np.array_equal(run([{"Pad": {"padding": 10, "backend": "cv2"}}], arrays["image"]), arrays["pad10_cv2"])
