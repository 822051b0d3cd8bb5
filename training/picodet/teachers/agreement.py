"""Which boxes to believe when several teachers look at one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kenspeckle.geometry import box_iou
from training.picodet.evaluation.detectors import Detections


@dataclass(frozen=True)
class Rule:
    """When teachers agree on a box.

    Attributes:
        min_score: boxes of a lower score are not looked at.
        agree: how many teachers must have the box.
        iou: overlap from which on two boxes are one object.
        max_boxes: most boxes of a picture.
    """

    min_score: float = 0.3
    agree: int = 1
    iou: float = 0.6
    max_boxes: int = 5


@dataclass(frozen=True)
class Agreed:
    """A box ``(4,)`` with the mean score of the teachers that have it, and their numbers."""

    box: NDArray[np.float64]
    score: float
    teachers: tuple[int, ...]


def agreed_boxes(found: Sequence[Detections], rule: Rule) -> tuple[list[Agreed], list[Agreed]]:
    """Boxes that enough teachers have, best first, and those that too few have: regions to ignore.

    Boxes of all teachers, best score first, gather those of the other teachers that overlap them most, one of each. The
    box of a group is the mean of its boxes, weighed by their scores.

    Args:
        found: what each teacher found in the picture.
    """
    boxes = np.concatenate([detections.boxes for detections in found])
    scores = np.concatenate([detections.scores for detections in found])
    teachers = np.repeat(np.arange(len(found)), [len(detections.scores) for detections in found])
    sure = scores >= rule.min_score
    boxes, scores, teachers = boxes[sure], scores[sure], teachers[sure]
    overlaps = box_iou(boxes, boxes)
    free = np.ones(len(boxes), bool)
    groups = []
    for index in np.argsort(-scores, kind="stable"):
        if not free[index]:
            continue
        members = _members(int(index), overlaps[index], free, teachers, rule.iou)
        # What a teacher says twice about one object is said once.
        free &= ~((overlaps[index] >= rule.iou) & np.isin(teachers, teachers[members]))
        free[members] = False
        weights = scores[members] / scores[members].sum()
        groups.append(Agreed(weights @ boxes[members], float(scores[members].mean()), tuple(sorted(teachers[members]))))
    believed = [group for group in groups if len(group.teachers) >= rule.agree]
    doubted = [group for group in groups if len(group.teachers) < rule.agree]
    return believed[: rule.max_boxes], doubted + believed[rule.max_boxes :]


def _members(
    index: int, overlaps: NDArray[np.float64], free: NDArray[np.bool_], teachers: NDArray[np.int64], iou: float
) -> list[int]:
    """The box itself and, of every other teacher, its free box that overlaps it most, if enough."""
    members = [index]
    for teacher in set(teachers.tolist()) - {int(teachers[index])}:
        candidates = np.flatnonzero(free & (teachers == teacher) & (overlaps >= iou))
        if len(candidates):
            members.append(int(candidates[overlaps[candidates].argmax()]))
    return members
