from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.picodet.data import Picture, one_class
from training.picodet.evaluation.detectors import Detections
from training.picodet.evaluation.measure import TOTAL, measurements, run_measurements
from training.picodet.model import ModelConfig, PicoDet

BOX = np.array([[10, 10, 50, 50]], np.float32)


def test_every_source_has_its_figures_and_checked_boxes_stay_out_of_the_total():
    pictures = [Picture(Path("x"), source, BOX, one_class(1)) for source in ("cups", "cups", "tins", "checked single")]
    right, wrong = Detections(BOX.astype(float), np.ones(1)), Detections(BOX + 40.0, np.ones(1))
    found = measurements("this bundle", pictures, [right, wrong, right, wrong], "command")
    values = {(m.metric.removeprefix("this bundle: "), m.data): m.value for m in found}
    assert values["best box IoU >= 0.5", "cups"] == 0.5
    assert values["recall@5", "tins"] == 1.0
    assert values["AP50", "tins"] == 1.0
    assert values["best box IoU >= 0.5", TOTAL] == round(2 / 3, 4)
    assert values["best box IoU >= 0.5", "checked single"] == 0.0
    assert ("AP50", "checked single") not in values
    assert all(m.interval[0] <= m.value <= m.interval[1] for m in found)


def test_a_network_is_measured_as_it_trains(tmp_path):
    Image.new("RGB", (60, 60)).save(tmp_path / "a.png")
    torch.manual_seed(0)
    model = PicoDet(ModelConfig({"name": "LCNet", "scale": 0.25}, channels=16, tower_depth=1))
    figures = run_measurements(model, 64, [Picture(tmp_path / "a.png", "s", BOX, one_class(1))])
    assert list(figures) == ["ap", "ap50", "best_box", "recall_5"]
    assert all(0 <= value <= 1 for value in figures.values())
