"""Best box and recall: what counts for cropping, per source."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kenspeckle.geometry import box_iou
from training.picodet.data import Picture
from training.picodet.evaluation.detectors import Detections

MATCH_IOU = 0.5
TOP = 5
Z95 = 1.959964


@dataclass(frozen=True)
class Score:
    """Counts over pictures."""

    photos: int = 0
    best_right: int = 0
    objects: int = 0
    recalled: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.photos + other.photos,
            self.best_right + other.best_right,
            self.objects + other.objects,
            self.recalled + other.recalled,
        )


def score_picture(picture: Picture, found: Detections, top: int = TOP) -> Score:
    """Score what was found in one picture.

    Its best box is right if its IoU with any object is 0.5 or more. An object is recalled if one of the ``top`` best
    boxes has an IoU of 0.5 or more with it, one box for one object. Boxes that lie half or more in an ignored region
    and match no object are left out before; a picture without objects counts for nothing.
    """
    overlaps = box_iou(found.boxes, picture.objects)
    if len(picture.ignored):
        matches = (overlaps >= MATCH_IOU).any(axis=1)
        overlaps = overlaps[matches | ~lies_in(found.boxes, picture.ignored)]
    if len(picture.objects) == 0:
        return Score()
    best = int(len(overlaps) > 0 and overlaps[0].max() >= MATCH_IOU)
    return Score(1, best, len(picture.objects), matched(overlaps[:top]))


def score_sources(pictures: Sequence[Picture], found: Sequence[Detections]) -> dict[str, Score]:
    """Sum of the scores of each source, in the order of first appearance."""
    scores: dict[str, Score] = {}
    for picture, detections in zip(pictures, found, strict=True):
        scores[picture.source] = scores.get(picture.source, Score()) + score_picture(picture, detections)
    return scores


def lies_in(boxes: NDArray[np.float64], regions: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether half or more of each box ``(n, 4)`` lies in one of ``regions``: ``(n,)``."""
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray((shared >= 0.5 * areas[:, None]).any(axis=1))


def matched(overlaps: NDArray[np.float64]) -> int:
    """Number of pairs (box, object) of IoU 0.5 or more, each used once, best pairs first."""
    left, count = overlaps.copy(), 0
    while left.size and left.max() >= MATCH_IOU:
        row, column = np.unravel_index(left.argmax(), left.shape)
        left[row, :], left[:, column] = 0, 0
        count += 1
    return count


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); (0, 1) without observations."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = hits / total, Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(centre - half, 0.0), min(centre + half, 1.0)
