from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.picodet.data import IGNORED, Picture, one_class
from training.picodet.evaluation.detectors import Detections, detect_all, whole_picture
from training.picodet.evaluation.matching import Score, lies_in, matched, score_picture, score_sources, wilson

TWO = np.array([[0, 0, 40, 40], [50, 40, 90, 80]], np.float32)


def picture(boxes, source="two", labels=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Picture(Path("a.png"), source, boxes, one_class(len(boxes)) if labels is None else np.array(labels))


def found(*boxes):
    return Detections(np.array(boxes, float).reshape(-1, 4), np.linspace(0.9, 0.1, len(boxes)))


def test_the_whole_picture_is_right_where_the_object_fills_it(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    full = Picture(tmp_path / "a.png", "full", np.array([[0, 0, 100, 80]], np.float32), one_class(1))
    two = Picture(tmp_path / "a.png", "two", TWO, one_class(2))
    pictures = [full, two, two]
    scores = score_sources(pictures, detect_all(whole_picture, pictures))
    assert scores["full"] == Score(photos=1, best_right=1, objects=1, recalled=1)
    assert scores["two"] == Score(photos=2, best_right=0, objects=4, recalled=0)


def test_only_the_first_five_boxes_count():
    junk = [[0, 0, 5, 5]] * 4
    assert score_picture(picture(TWO), found(*junk, *TWO)) == Score(1, 0, 2, 1)
    assert score_picture(picture(TWO), found(*TWO, *junk)) == Score(1, 1, 2, 2)


def test_a_detector_that_finds_nothing_scores_zero():
    assert score_picture(picture(TWO), found()) == Score(1, 0, 2, 0)


def test_a_picture_without_objects_counts_for_nothing():
    assert score_picture(picture([]), found(TWO[0])) == Score()


def test_boxes_in_an_ignored_region_are_left_out_unless_they_match():
    crowd = picture([TWO[0], [60, 0, 100, 80]], labels=[0, IGNORED])
    assert score_picture(crowd, found([70, 10, 90, 40], TWO[0])) == Score(1, 1, 1, 1)
    assert score_picture(crowd, found([30, 10, 65, 40], TWO[0])) == Score(1, 0, 1, 1)
    over_it = picture([TWO[0], [0, 0, 100, 80]], labels=[0, IGNORED])
    assert score_picture(over_it, found(TWO[0])) == Score(1, 1, 1, 1)


def test_half_of_a_box_must_lie_in_one_region():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 20, 10], [0, 0, 21, 10]])
    assert lies_in(boxes, np.array([[0, 0, 10, 10]], np.float32)).tolist() == [True, True, False]


def test_one_box_recalls_one_object():
    assert matched(np.array([[0.9, 0.8], [0.1, 0.4]])) == 1
    assert matched(np.array([[0.9, 0.8], [0.6, 0.1]])) == 1
    assert matched(np.array([[0.9, 0.8], [0.1, 0.6]])) == 2
    assert matched(np.zeros((0, 3))) == 0


def test_wilson_gives_the_known_interval():
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5)[1] == 1.0
