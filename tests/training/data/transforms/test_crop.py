import math
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.transforms import build_transforms

ROWS, COLUMNS = np.mgrid[:36, :48]
PLACES = np.stack([ROWS, COLUMNS, ROWS * 0], axis=2).astype(np.uint8)
"""An image whose values are its coordinates, so that crops say where they are from."""


def run(op: str, parameters: dict[str, Any], image: NDArray[Any] = PLACES, seed: int = 0) -> NDArray[Any]:
    return build_transforms([{op: parameters}])(image, np.random.default_rng(seed))


@pytest.mark.parametrize(("op", "size"), [("CropImage", [21, 30]), ("CenterCrop", [30, 21])])
def test_a_centre_crop_leaves_the_larger_half_at_the_end(op: str, size: list[int]) -> None:
    crop = run(op, {"size": size})
    assert crop.shape == (30, 21, 3)
    assert crop[0, 0].tolist() == [3, 13, 0]


@pytest.mark.parametrize("op", ["CropImage", "CenterCrop", "RandCropImageV2"])
def test_a_crop_of_too_small_an_image_is_an_error(op: str) -> None:
    with pytest.raises(ValueError, match="an image of 48 x 36 has no crop of 40 x 40"):
        run(op, {"size": 40})


def test_a_random_crop_always_has_its_size_and_comes_from_everywhere() -> None:
    corners = []
    for seed in range(2000):
        crop = run("RandCropImageV2", {"size": [24, 30]}, seed=seed)
        assert crop.shape == (30, 24, 3)
        corners.append(crop[0, 0, :2])
    rows, columns = np.bincount([c[0] for c in corners]), np.bincount([c[1] for c in corners])
    for counts, wanted in ((rows, 7), (columns, 25)):
        assert len(counts) == wanted
        assert (np.abs(counts - 2000 / wanted) < 4.5 * math.sqrt(2000 / wanted)).all()


@pytest.mark.parametrize(("log", "mean"), [(False, 25 / 24), (True, (4 / 3 - 3 / 4) / math.log(16 / 9))])
def test_parts_have_the_stated_areas_and_ratios(log: bool, mean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is resized: area uniform in 0.1…0.5 of the image, ratio uniform in itself or in logarithm."""
    shapes: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        cv2, "resize", lambda part, size, interpolation: shapes.append(part.shape) or np.zeros((*size, 3))
    )
    image = np.zeros((600, 600, 3), np.uint8)
    for seed in range(1500):
        run("RandCropImage", {"size": 8, "scale": [0.1, 0.5], "use_log_aspect": log}, image, seed)
    areas = np.array([h * w for h, w, _ in shapes]) / 360_000
    ratios = np.array([w / h for h, w, _ in shapes])
    assert 0.095 < areas.min() < 0.11
    assert 0.49 < areas.max() <= 0.5
    assert areas.mean() == pytest.approx(0.3, abs=0.01)
    assert 0.74 < ratios.min() < 0.76
    assert 1.32 < ratios.max() < 1.345
    assert ratios.mean() == pytest.approx(mean, abs=0.015)


def test_a_part_that_cannot_fit_is_made_to() -> None:
    assert run("RandCropImage", {"size": [20, 10]}, np.zeros((4, 400, 3), np.uint8)).shape == (10, 20, 3)
    assert run("RandomResizedCrop", {"size": [10, 20]}, np.zeros((4, 400, 3), np.uint8)).shape == (10, 20, 3)


def test_the_whole_image_is_a_part_of_itself() -> None:
    square = PLACES[:36, :36]
    for op in ("RandCropImage", "RandomResizedCrop"):
        parameters = {"size": 36, "scale": [1, 1], "ratio": [1, 1], "interpolation": "nearest"}
        assert np.array_equal(run(op, parameters, square), square)


def test_a_padded_crop_is_not_resized_and_comes_with_its_probability() -> None:
    """In an image of 1 a black corner can only come from the border."""
    ones = np.ones((20, 20, 3), np.uint8)
    crops = [run("CropWithPadding", {"size": 16, "prob": 0.4, "padding_num": 30}, ones, seed) for seed in range(300)]
    assert all(crop.shape == (16, 16, 3) for crop in crops)
    assert 85 < sum((crop == 0).any() for crop in crops) < 150


def test_the_frameworks_resize_scales_the_shorter_side() -> None:
    assert run("Resize", {"size": 18}).shape == (18, 24, 3)
    assert run("Resize", {"size": [10, 20], "interpolation": "cubic"}).shape == (10, 20, 3)
