"""Average precision against pycocotools and against cases that can be counted."""

import contextlib
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

from kenspeckle.geometry import box_iou
from training.picodet.data import IGNORED, Picture, one_class
from training.picodet.evaluation.average_precision import (
    average_precision,
    bootstrap_ap,
    class_average_precision,
    coco_results,
    coco_truth,
    precision_recall,
)
from training.picodet.evaluation.detectors import Detections


def scene(seed, photos=25):
    """Pictures with one to four objects, one in five a crowd, and boxes found near them or anywhere."""
    rng = np.random.default_rng(seed)
    pictures, found = [], []
    for _ in range(photos):
        low = rng.uniform(0, 200, (rng.integers(1, 5), 2))
        boxes = np.concatenate([low, low + rng.uniform(10, 120, low.shape)], axis=1).astype(np.float32)
        labels = np.where(rng.random(len(boxes)) < 0.2, IGNORED, 0)
        pictures.append(Picture(Path("x"), "s", boxes, labels))
        near = boxes.repeat(2, axis=0) + rng.normal(0, 8, (2 * len(boxes), 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        order = np.argsort(-(scores := rng.random(len(near)).round(2)), kind="stable")
        found.append(Detections(near[order].astype(float), scores[order]))
    return pictures, found


def by_pycocotools(dataset, results):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_pycocotools(seed):
    pictures, found = scene(seed)
    theirs, ours = by_pycocotools(coco_truth(pictures), coco_results(found)), average_precision(pictures, found)
    assert 0.02 < ours.ap < 0.9
    assert ours.ap == pytest.approx(theirs.stats[0], abs=1e-9)
    assert ours.ap50 == pytest.approx(theirs.stats[1], abs=1e-9)
    np.testing.assert_allclose(precision_recall(pictures, found), theirs.eval["precision"][0, :, 0, 0, -1])


def with_classes(pictures, found, rng):
    """The scene with two classes and no crowds; a found box has the class of its object nine times in ten."""
    labelled, detected = [], []
    for picture, detections in zip(pictures, found, strict=True):
        labels = rng.integers(0, 2, len(picture.boxes))
        owner = box_iou(detections.boxes, picture.boxes).argmax(axis=1)
        classes = np.where(rng.random(len(owner)) < 0.9, labels[owner], 1 - labels[owner])
        labelled.append(dataclasses.replace(picture, labels=labels))
        detected.append(dataclasses.replace(detections, classes=classes))
    return labelled, detected


def test_the_mean_over_classes_is_that_of_pycocotools():
    pictures, found = with_classes(*scene(4), np.random.default_rng(4))
    truth, results = coco_truth(pictures), coco_results(found)
    for annotation, label in zip(truth["annotations"], np.concatenate([p.labels for p in pictures]), strict=True):
        annotation["category_id"] = 1 + int(label)
    for result, label in zip(results, np.concatenate([d.classes for d in found]), strict=True):
        result["category_id"] = 1 + int(label)
    truth["categories"] = [{"id": 1, "name": "cup"}, {"id": 2, "name": "tin"}]
    theirs = by_pycocotools(truth, results)
    ours = class_average_precision(pictures, found, 2)
    assert ours == pytest.approx((theirs.stats[0], theirs.stats[1]), abs=1e-9)
    assert ours.ap < average_precision(pictures, found).ap  # boxes of the wrong class count there


def test_a_class_without_objects_does_not_count():
    pictures, found = [photo(BOX)], [Detections(np.array([BOX]), np.ones(1), np.zeros(1, np.int64))]
    assert class_average_precision(pictures, found, 3) == pytest.approx((1.0, 1.0))
    assert class_average_precision([photo()], [hits()], 2) == (-1, -1)


BOX = [10.0, 10, 50, 50]


def photo(*boxes, labels=None):
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Picture(Path("x"), "s", array, one_class(len(array)) if labels is None else np.array(labels))


def hits(*pairs):
    return Detections(np.array([box for box, _ in pairs], float).reshape(-1, 4), np.array([s for _, s in pairs]))


def test_all_found_and_nothing_else_is_one():
    assert average_precision([photo(BOX)], [hits((BOX, 0.9))]) == pytest.approx((1.0, 1.0))


def test_nothing_found_is_zero():
    assert average_precision([photo(BOX)], [hits()]) == (0.0, 0.0)


def test_a_false_box_before_the_right_one_halves_the_precision():
    found = hits(([60, 60, 90, 90], 0.9), (BOX, 0.8))
    assert average_precision([photo(BOX)], [found]).ap50 == pytest.approx(0.5)


def test_a_box_in_an_ignored_region_costs_nothing():
    crowd = photo(BOX, [55, 55, 95, 95], labels=[0, IGNORED])
    found = hits(([60, 60, 90, 90], 0.9), (BOX, 0.8))
    assert average_precision([crowd], [found]).ap50 == pytest.approx(1.0)


def test_the_interval_holds_the_value_and_narrows_with_more_pictures():
    few, many = scene(1, 10), scene(1, 60)
    widths = []
    for pictures, found in (few, many):
        (low, high), _ = bootstrap_ap(pictures, found, rounds=40)
        assert low < average_precision(pictures, found).ap < high
        widths.append(high - low)
    assert widths[1] < widths[0]
