"""Boxes as arrays: clip, scale, grow, overlap, suppression. Pure functions.

A box is ``[x0, y0, x1, y1]`` in pixels with exclusive x1, y1; arrays of boxes are ``(N, 4) float64``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.float64]


def as_boxes(boxes: ArrayLike) -> Boxes:
    """Return ``boxes`` as an ``(N, 4) float64`` array; an empty list gives ``(0, 4)``."""
    array: Boxes = np.asarray(boxes, dtype=np.float64)
    return array if array.ndim == 2 and array.size else array.reshape(-1, 4)


def clip_boxes(boxes: ArrayLike, width: float, height: float) -> Boxes:
    """Cut boxes at the borders of a ``width`` x ``height`` picture; a box outside it becomes empty."""
    clipped: Boxes = as_boxes(boxes).copy()
    clipped[:, 0::2] = clipped[:, 0::2].clip(0, width)
    clipped[:, 1::2] = clipped[:, 1::2].clip(0, height)
    return clipped


def scale_boxes(boxes: ArrayLike, factor_x: float, factor_y: float) -> Boxes:
    """Multiply x by ``factor_x`` and y by ``factor_y``."""
    scaled: Boxes = as_boxes(boxes) * np.array([factor_x, factor_y, factor_x, factor_y])
    return scaled


def expand_boxes(boxes: ArrayLike, margin: float) -> Boxes:
    """Grow each box by ``margin`` times its own width and height on every side (not clipped)."""
    array = as_boxes(boxes)
    grow = (array[:, 2:] - array[:, :2]) * margin
    return np.concatenate([array[:, :2] - grow, array[:, 2:] + grow], axis=1)


def box_areas(boxes: ArrayLike) -> NDArray[np.float64]:
    """Area of each box in square pixels; 0 for an empty or inverted box."""
    array = as_boxes(boxes)
    sides = np.maximum(array[:, 2:] - array[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def box_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every pair.

    Args:
        first: ``(N, 4)`` boxes.
        second: ``(M, 4)`` boxes.

    Returns:
        ``(N, M) float64`` in [0, 1]; 0 where the union is empty.
    """
    a, b = as_boxes(first), as_boxes(second)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    intersection = sides[..., 0] * sides[..., 1]
    union = box_areas(a)[:, None] + box_areas(b)[None, :] - intersection
    overlaps: NDArray[np.float64] = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return overlaps


def suppress(boxes: ArrayLike, scores: Sequence[float], labels: Sequence[str | None], iou: float) -> list[int]:
    """Keep the best-scored box of every group of overlapping boxes with one label.

    Boxes without a label (``None``) suppress nothing and are never suppressed.

    Returns:
        Indices that stay, in ascending order. Ties go to the lower index.
    """
    overlaps = box_iou(boxes, boxes)
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        label = labels[index]
        rivals = (k for k in kept if label is not None and labels[k] == label)
        if not any(overlaps[index, k] > iou for k in rivals):
            kept.append(index)
    return sorted(kept)
