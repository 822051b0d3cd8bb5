"""Average precision by the COCO rules, computed by faster-coco-eval."""

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
    """AP of one class; ignored regions are COCO's crowds: boxes in them count for nothing."""
    stats = _evaluate(pictures, found).stats
    return AveragePrecision(float(stats[0]), float(stats[1]))


def precision_recall(pictures: Sequence[Picture], found: Sequence[Detections]) -> NDArray[np.float64]:
    """Precision at IoU 0.5 for the 101 recalls 0, 0.01, ... 1."""
    precision = _evaluate(pictures, found).eval["precision"]
    return np.asarray(precision[0, :, 0, 0, -1], np.float64)


def bootstrap_ap(
    pictures: Sequence[Picture], found: Sequence[Detections], rounds: int = ROUNDS, seed: int = 0
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % intervals of AP and AP50, resampling pictures."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        chosen = rng.integers(0, len(pictures), len(pictures))
        values.append(average_precision([pictures[i] for i in chosen], [found[i] for i in chosen]))
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
