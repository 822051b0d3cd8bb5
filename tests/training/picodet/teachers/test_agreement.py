import numpy as np
import pytest

from training.picodet.evaluation.detectors import Detections
from training.picodet.teachers.agreement import Rule, agreed_boxes

CUP, TIN = [10.0, 10, 50, 50], [60.0, 60, 90, 90]


def saw(*pairs):
    return Detections(
        np.array([box for box, _ in pairs], float).reshape(-1, 4), np.array([score for _, score in pairs])
    )


def test_one_teacher_is_believed_where_one_is_enough():
    believed, doubted = agreed_boxes([saw((CUP, 0.9), (TIN, 0.4))], Rule())
    assert [one.box.tolist() for one in believed] == [CUP, TIN]
    assert doubted == []


def test_boxes_of_too_low_a_score_are_not_looked_at():
    believed, doubted = agreed_boxes([saw((CUP, 0.9), (TIN, 0.29))], Rule())
    assert len(believed) == 1
    assert doubted == []


def test_what_only_one_of_two_saw_is_to_be_ignored():
    believed, doubted = agreed_boxes([saw((CUP, 0.9)), saw((CUP, 0.8), (TIN, 0.7))], Rule(agree=2))
    assert [one.teachers for one in believed] == [(0, 1)]
    assert [(one.box.tolist(), one.teachers) for one in doubted] == [(TIN, (1,))]


def test_the_box_is_the_mean_weighed_by_the_scores():
    shifted = [14.0, 10, 54, 50]
    (one,), _ = agreed_boxes([saw((CUP, 0.9)), saw((shifted, 0.3))], Rule(agree=2))
    assert one.box.tolist() == pytest.approx([11, 10, 51, 50])
    assert one.score == pytest.approx(0.6)


def test_boxes_that_overlap_too_little_are_two_objects():
    far = [40.0, 10, 80, 50]
    believed, doubted = agreed_boxes([saw((CUP, 0.9)), saw((far, 0.8))], Rule(agree=2))
    assert believed == []
    assert len(doubted) == 2


def test_a_teacher_that_says_it_twice_counts_once():
    nearly = [11.0, 10, 50, 50]
    believed, doubted = agreed_boxes([saw((CUP, 0.9), (nearly, 0.8))], Rule(agree=2))
    assert believed == []
    assert len(doubted) == 1


def test_boxes_beyond_the_most_are_ignored_regions():
    boxes = [([20.0 * i, 0, 20.0 * i + 15, 15], 0.9 - 0.1 * i) for i in range(4)]
    believed, doubted = agreed_boxes([saw(*boxes)], Rule(max_boxes=3))
    assert len(believed) == 3
    assert [one.box.tolist() for one in doubted] == [boxes[3][0]]


def test_nothing_seen_is_nothing_agreed():
    assert agreed_boxes([saw(), saw()], Rule(agree=2)) == ([], [])
