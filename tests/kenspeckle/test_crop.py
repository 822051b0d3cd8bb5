"""Crops: the one way to cut an object out."""

from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kenspeckle.crop import CropRule, Pyramid, crop_boxes, resize_picture


def quadrants() -> Image.Image:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30] = (255, 0, 0)
    pixels[:20, 30:] = (0, 255, 0)
    pixels[20:, :30] = (0, 0, 255)
    return Image.fromarray(pixels)


def test_a_crop_holds_what_the_box_encloses() -> None:
    crops = crop_boxes(quadrants(), [[0, 0, 30, 20], [30, 0, 60, 20]], CropRule(margin=0), 8, 8, "bilinear")
    assert crops.shape == (2, 8, 8, 3)
    assert (crops[0][:-1, :-1] == (255, 0, 0)).all()  # the filter reaches over an edge by its own width
    assert (crops[1][:-1, 1:] == (0, 255, 0)).all()


def test_the_margin_takes_in_the_surroundings_but_not_what_lies_outside_the_picture() -> None:
    crop = crop_boxes(quadrants(), [[0, 0, 30, 20]], CropRule(margin=0.5), 9, 6, "bilinear")[0]
    assert (crop[0, 0] == (255, 0, 0)).all()
    assert (crop[0, -1] == (0, 255, 0)).all()
    assert (crop[-1, 0] == (0, 0, 255)).all()


def test_a_box_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="no area"):
        crop_boxes(quadrants(), [[100, 100, 120, 120]], CropRule(margin=0.1), 8, 8, "bicubic")


def test_no_boxes_give_no_crops() -> None:
    assert crop_boxes(quadrants(), [], CropRule(margin=0), 8, 8, "bilinear").shape == (0, 8, 8, 3)


def test_a_crop_does_not_depend_on_the_other_boxes() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    box, other = [3.5, 4.25, 40.0, 33.3], [10, 10, 20, 20]
    alone = crop_boxes(picture, [box], CropRule(margin=0.1), 16, 16, "bilinear")
    together = crop_boxes(picture, [other, box], CropRule(margin=0.1), 16, 16, "bilinear")
    np.testing.assert_array_equal(alone[0], together[1])


def test_resizing_stretches() -> None:
    assert resize_picture(quadrants(), 10, 30, "bilinear").shape == (30, 10, 3)


def textured(width: int, height: int) -> Image.Image:
    """Smooth shapes with some noise, like a photo."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    noise = rng.integers(-20, 21, (height, width, 3))
    return Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8))


def halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mean of 2 x 2 pixels, rounded; the slow way."""
    blocks = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, 3).astype(float)
    return np.floor(blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


def test_a_halved_crop_is_cut_from_the_smallest_half_that_is_large_enough() -> None:
    picture = textured(400, 320)
    quarter = Image.fromarray(halved(halved(np.asarray(picture))))
    # 321 x 263 pixels to 80 x 50: a quarter is still 80.25 wide, an eighth would be too narrow.
    crop = crop_boxes(picture, [[41, 20, 362, 283]], CropRule(margin=0), 80, 50, "halved-bicubic")[0]
    expected = quarter.resize((80, 50), Image.Resampling.BICUBIC, box=(10.25, 5, 90.5, 70.75))
    np.testing.assert_array_equal(crop, np.asarray(expected))


def test_of_a_long_box_only_the_long_side_is_reduced() -> None:
    picture = textured(40, 360)
    thirds = np.asarray(picture).reshape(120, 3, 40, 3).astype(float).mean(axis=1)
    crop = crop_boxes(picture, [[0, 0, 40, 360]], CropRule(margin=0), 30, 112, "halved-bilinear")[0]
    expected = Image.fromarray(thirds.round().astype(np.uint8)).resize((30, 112), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(crop.astype(int), np.asarray(expected), atol=1)
    plain = crop_boxes(picture, [[0, 0, 40, 360]], CropRule(margin=0), 30, 112, "bilinear")[0]
    assert np.abs(crop.astype(int) - plain).max() > 1


@pytest.mark.parametrize("filter_", ["bilinear", "bicubic"])
def test_what_shrinks_to_more_than_half_is_the_same_halved_or_not(filter_: str) -> None:
    picture, boxes = textured(120, 90), [[3.5, 4.25, 60.0, 59.9], [0, 0, 20, 31], [0, 0, 59, 55]]
    plain = crop_boxes(picture, boxes, CropRule(margin=0), 30, 28, filter_)
    np.testing.assert_array_equal(crop_boxes(picture, boxes, CropRule(margin=0), 30, 28, f"halved-{filter_}"), plain)


@pytest.mark.parametrize("size", [(640, 480), (641, 479)])
def test_halving_changes_a_photo_little(size: tuple[int, int]) -> None:
    picture = textured(*size)
    plain = resize_picture(picture, 100, 80, "bicubic").astype(float)
    cheap = resize_picture(picture, 100, 80, "halved-bicubic").astype(float)
    assert np.abs(plain - cheap).mean() < 2
    assert np.abs(plain - cheap).max() < 16


def test_halves_are_made_once_and_give_what_a_fresh_picture_gives() -> None:
    picture = textured(300, 200)
    shared = Pyramid(picture)
    rule, boxes = CropRule(margin=0.1), [[0, 0, 300, 200], [10, 10, 150, 90], [100, 50, 140, 80]]
    resize_picture(shared, 10, 10, "halved-bilinear")
    together = crop_boxes(shared, boxes, rule, 32, 32, "halved-bilinear")
    for box, crop in zip(boxes, together, strict=True):
        np.testing.assert_array_equal(crop_boxes(picture, [box], rule, 32, 32, "halved-bilinear")[0], crop)
    with mock.patch.object(Image.Image, "reduce", side_effect=AssertionError("halved again")):
        crop_boxes(shared, [[0, 0, 300, 200], [0, 0, 150, 120]], CropRule(margin=0), 60, 50, "halved-bilinear")
