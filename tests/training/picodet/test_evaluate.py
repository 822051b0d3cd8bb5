import numpy as np
import pytest
from PIL import Image

from training.picodet.data import Picture
from training.picodet.evaluate import Score, evaluate, matched, whole_picture, wilson


@pytest.fixture
def pictures(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    full = np.array([[0, 0, 100, 80]], np.float32)
    two = np.array([[0, 0, 40, 40], [50, 40, 90, 80]], np.float32)
    path = tmp_path / "a.png"
    return [Picture(path, "full", full), Picture(path, "two", two), Picture(path, "two", two)]


def test_the_whole_picture_is_right_where_the_object_fills_it(pictures):
    scores = evaluate(whole_picture, pictures)
    assert scores["full"] == Score(photos=1, best_right=1, objects=1, recalled=1)
    assert scores["two"] == Score(photos=2, best_right=0, objects=4, recalled=0)


def test_only_the_first_five_boxes_count(pictures):
    junk = [[0, 0, 5, 5]] * 4
    found = np.array([*junk, [0, 0, 40, 40], [50, 40, 90, 80]], float)
    assert evaluate(lambda image: found, pictures)["two"] == Score(2, 0, 4, 2)
    assert evaluate(lambda image: found[::-1], pictures)["two"] == Score(2, 2, 4, 4)


def test_a_detector_that_finds_nothing_scores_zero(pictures):
    assert evaluate(lambda image: np.zeros((0, 4)), pictures)["full"] == Score(1, 0, 1, 0)


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
