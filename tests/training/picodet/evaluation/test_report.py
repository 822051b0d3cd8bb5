import numpy as np
import pytest
from PIL import Image

from training.picodet.data import IGNORED, Picture, one_class
from training.picodet.evaluation.detectors import Detections
from training.picodet.evaluation.report import Missed, missed_by, worst_first, write_report

SMALL, LARGE = [10.0, 10, 18, 18], [20.0, 20, 90, 90]  # of 100 x 100


@pytest.fixture
def pictures(tmp_path):
    Image.new("RGB", (100, 100), (90, 120, 90)).save(tmp_path / "a.png")
    both = np.array([SMALL, LARGE], np.float32)
    crowd = Picture(tmp_path / "a.png", "<tins>", both, np.array([IGNORED, 0]))
    return [Picture(tmp_path / "a.png", "cups", both, one_class(2)), crowd]


def saw(*boxes):
    return Detections(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), 0.5))


def test_missed_objects_are_counted_by_size_and_source(pictures):
    sizes, sources = missed_by(pictures, [saw(LARGE), saw()])
    assert sizes["5% to 10%"] == Missed(1, 1)
    assert sizes["40% to 100%"] == Missed(2, 1)
    assert sizes["10% to 20%"] == Missed(0, 0)
    assert sources == {"cups": Missed(2, 1), "<tins>": Missed(1, 1)}


def test_pictures_with_a_wrong_best_box_come_first(pictures):
    first, second = pictures
    assert worst_first([first, second, first], [saw(SMALL, LARGE), saw(SMALL), saw(LARGE)]) == [1, 2, 0]


def test_the_page_is_written_with_its_pictures(pictures, tmp_path):
    found = {"this bundle": [saw(LARGE), saw()], "whole picture": [saw([0, 0, 100, 100])] * 2}
    page = write_report("this bundle", pictures, found, tmp_path / "report").read_text()
    assert "&lt;tins&gt;" in page
    assert "<td>2<td>1<td>0.500" in page
    for name in ("grid.png", "precision-recall.png"):
        assert name in page
        with Image.open(tmp_path / "report" / name) as drawn:
            assert drawn.width > 300
