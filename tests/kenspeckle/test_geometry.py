"""Boxes: against slow references and by properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenspeckle.geometry import as_boxes, box_areas, box_iou, clip_boxes, expand_boxes, scale_boxes, suppress

corner = st.integers(-50, 150)
box = st.tuples(corner, corner, st.integers(1, 80), st.integers(1, 80)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
boxes = st.lists(box, min_size=1, max_size=6)


def pixels(b: tuple[int, int, int, int]) -> set[tuple[int, int]]:
    return {(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])}


@given(box, box)
def test_iou_equals_counting_pixels(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> None:
    a, b = pixels(first), pixels(second)
    assert box_iou([first], [second])[0, 0] == pytest.approx(len(a & b) / len(a | b))


@given(boxes)
def test_iou_is_symmetric_and_one_with_itself(some: list[tuple[int, int, int, int]]) -> None:
    overlaps = box_iou(some, some)
    np.testing.assert_allclose(overlaps, overlaps.T)
    np.testing.assert_allclose(np.diag(overlaps), 1)


@given(boxes)
def test_clipped_boxes_lie_in_the_picture_and_clipping_again_changes_nothing(
    some: list[tuple[int, int, int, int]],
) -> None:
    once = clip_boxes(some, 100, 80)
    assert (once[:, 0::2] >= 0).all()
    assert (once[:, 0::2] <= 100).all()
    assert (once[:, 1::2] <= 80).all()
    np.testing.assert_array_equal(clip_boxes(once, 100, 80), once)


@given(boxes, st.floats(0.1, 10), st.floats(0.1, 10))
def test_scaling_keeps_overlap(some: list[tuple[int, int, int, int]], x: float, y: float) -> None:
    np.testing.assert_allclose(
        box_iou(scale_boxes(some, x, y), scale_boxes(some, x, y)), box_iou(some, some), atol=1e-9
    )


def test_expanding_grows_by_a_share_of_each_side() -> None:
    np.testing.assert_allclose(expand_boxes([[10, 20, 30, 60]], 0.1), [[8, 16, 32, 64]])


def test_empty_input_gives_empty_boxes() -> None:
    assert as_boxes([]).shape == (0, 4)
    assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert box_areas([[5, 5, 4, 9]])[0] == 0


def test_suppression_keeps_the_best_of_each_label_and_place() -> None:
    places = [[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 10, 10]]
    kept = suppress(places, [0.5, 0.9, 0.4, 0.1, 0.9], ["a", "a", "b", "a", None], iou=0.5)
    assert kept == [1, 2, 3, 4]


@given(boxes)
def test_what_suppression_keeps_does_not_overlap(some: list[tuple[int, int, int, int]]) -> None:
    kept = suppress(some, [1.0] * len(some), ["x"] * len(some), iou=0.3)
    overlaps = box_iou([some[k] for k in kept], [some[k] for k in kept])
    np.fill_diagonal(overlaps, 0)
    assert kept
    assert overlaps.max() <= 0.3
