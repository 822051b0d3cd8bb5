import colorsys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from training.data.transforms import build_transforms
from training.data.transforms.colour import shift_hue

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = IMAGE.astype(np.float64) @ [0.299, 0.587, 0.114]


def run(op: str, parameters: dict[str, Any] | None, image: NDArray[Any] = IMAGE, seed: int = 0) -> NDArray[Any]:
    return build_transforms([{op: parameters}])(image, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("brightness", np.zeros(3)),
        ("contrast", np.full(3, round(GREY.mean()))),
        ("saturation", GREY[:, :, None]),
    ],
)
def test_factors_blend_with_black_mean_or_grey(name: str, base: NDArray[np.float64]) -> None:
    """A factor f gives base + f (image - base); here it is always 0.5."""
    made = run("ColorJitter", {name: [0.5, 0.5000001]})
    assert np.abs(made - (base + 0.5 * (IMAGE - base))).max() <= 1.5


def test_hue_turns_the_circle() -> None:
    pixels = np.array([[[200, 30, 90], [10, 240, 60]]], np.uint8)
    turned = np.asarray(shift_hue(Image.fromarray(pixels), 0.25))
    for before, after in zip(pixels[0], turned[0], strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before / 255)
        assert np.abs(np.array(colorsys.hsv_to_rgb(h + 0.25, s, v)) * 255 - after).max() < 4


def test_without_ranges_nothing_changes_and_the_probability_holds() -> None:
    assert np.array_equal(run("ColorJitter", {}), IMAGE)
    changed = sum(
        not np.array_equal(run("ColorJitter", {"brightness": 0.4, "prob": 0.3}, seed=seed), IMAGE)
        for seed in range(400)
    )
    assert 80 < changed < 160


def test_the_order_of_changes_is_random() -> None:
    made = {
        run("ColorJitter", {"brightness": [2, 2 + 1e-9], "contrast": [2, 2 + 1e-9]}, seed=s).tobytes()
        for s in range(20)
    }
    assert len(made) == 2


def test_grey_has_the_luminance_in_all_channels() -> None:
    made = run("RandomGrayscale", {"p": 1})
    assert np.abs(made - GREY[:, :, None]).max() <= 1
    done = sum(not np.array_equal(run("RandomGrayscale", None, seed=seed), IMAGE) for seed in range(400))
    assert 18 < done < 65


def test_lighting_shifts_the_whole_image_along_the_main_directions() -> None:
    image = np.full((4, 5, 3), 0.5, np.float32)
    shifts = np.array([run("PCALighting", None, image, seed)[0, 0] - 0.5 for seed in range(3000)])
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    wanted = vectors @ np.diag(np.square([0.02175, 0.00188, 0.00045])) @ vectors.T
    assert np.allclose(np.cov(shifts.T), wanted, atol=2e-5)
    made = run("PCALighting", None, image)
    assert np.ptp(made, axis=(0, 1)).max() == 0
    assert np.array_equal(run("PCALighting", None, image.transpose(2, 0, 1)), made.transpose(2, 0, 1))
    assert run("PCALighting", None).dtype == np.uint8


@pytest.mark.parametrize("parameters", [{"hue": 0.6}, {"brightness": [-1, 1]}, {"contrast": [2, 1]}])
def test_impossible_ranges_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ColorJitter"):
        run("ColorJitter", parameters)
