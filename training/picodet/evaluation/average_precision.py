"""Average precision by the COCO rules, computed by faster-coco-eval."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from training.picodet.data import IGNORED, Picture
from training.picodet.evaluation.detectors import Detections

ROUNDS = 60


class AveragePrecision(NamedTuple):
    """AP over IoU 0.50 to 0.95, and AP at IoU 0.50; in 0..1, -1 without objects."""

    ap: float
    ap50: float


def average_precision(pictures: Sequence[Picture], found: Sequence[Detections]) -> AveragePrecision:
    """AP whatever the class; ignored regions are COCO's crowds: boxes in them count for nothing."""
    stats = _evaluate(pictures, found).stats
    return AveragePrecision(float(stats[0]), float(stats[1]))


def class_average_precision(pictures: Sequence[Picture], found: Sequence[Detections], classes: int) -> AveragePrecision:
    """Mean over the classes that have objects of their average precision, -1 if none has; of 1: whatever the class."""
    if classes == 1:
        return average_precision(pictures, found)
    each = [average_precision(*of_class(pictures, found, number)) for number in range(classes)]
    there = [one for one in each if one.ap >= 0]
    if not there:
        return AveragePrecision(-1.0, -1.0)
    return AveragePrecision(*(float(value) for value in np.mean(there, axis=0)))


def of_class(
    pictures: Sequence[Picture], found: Sequence[Detections], number: int
) -> tuple[list[Picture], list[Detections]]:
    """The same pictures with the objects of one class, and the boxes of it; ignored regions stay."""
    return (
        [_with_class(picture, number) for picture in pictures],
        [_boxes_of_class(detections, number) for detections in found],
    )


def _with_class(picture: Picture, number: int) -> Picture:
    kept = np.isin(picture.labels, (number, IGNORED))
    return dataclasses.replace(picture, boxes=picture.boxes[kept], labels=picture.labels[kept])


def _boxes_of_class(found: Detections, number: int) -> Detections:
    if found.classes is None:
        return found
    kept = found.classes == number
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])


def precision_recall(pictures: Sequence[Picture], found: Sequence[Detections]) -> NDArray[np.float64]:
    """Precision at IoU 0.5 for the 101 recalls 0, 0.01, ... 1."""
    precision = _evaluate(pictures, found).eval["precision"]
    return np.asarray(precision[0, :, 0, 0, -1], np.float64)


def bootstrap_ap(
    pictures: Sequence[Picture], found: Sequence[Detections], classes: int = 1, rounds: int = ROUNDS, seed: int = 0
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % intervals of the mean AP and AP50 of ``classes``, resampling pictures."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        chosen = rng.integers(0, len(pictures), len(pictures))
        values.append(class_average_precision([pictures[i] for i in chosen], [found[i] for i in chosen], classes))
    low, high = np.quantile(np.array(values), [0.025, 0.975], axis=0)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def coco_truth(pictures: Sequence[Picture]) -> dict[str, Any]:
    """The pictures as a COCO data set of one category; image ids count from 1."""
    annotations: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, 1):
        for box, label in zip(picture.boxes.tolist(), picture.labels.tolist(), strict=True):
            width, height = box[2] - box[0], box[3] - box[1]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [box[0], box[1], width, height],
                    "area": width * height,
                    "iscrowd": int(label == IGNORED),
                }
            )
    images = [{"id": number} for number in range(1, len(pictures) + 1)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "mainbody"}]}


def coco_results(found: Sequence[Detections]) -> list[dict[str, Any]]:
    """Detections in COCO's result form, for ``coco_truth``."""
    return [
        {"image_id": image_id, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
        for image_id, detections in enumerate(found, 1)
        for (x0, y0, x1, y1), score in zip(detections.boxes.tolist(), detections.scores.tolist(), strict=True)
    ]


def _evaluate(pictures: Sequence[Picture], found: Sequence[Detections]) -> Any:
    truth = COCO(coco_truth(pictures))
    results = coco_results(found)
    evaluation = COCOeval_faster(truth, truth.loadRes(results) if results else COCO(), "bbox", print_function=_quiet)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def _quiet(*_: object) -> None:
    """Prints nothing."""
