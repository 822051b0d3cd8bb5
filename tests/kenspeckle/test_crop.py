"""Crops: the one way to cut an object out."""

import numpy as np
import pytest
from PIL import Image

from kenspeckle.crop import CropRule, crop_boxes, resize_picture


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
