import dataclasses
import math
import time

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from kenspeckle.geometry import box_iou
from training.picodet import train
from training.picodet.augment import squash
from training.picodet.data import Picture, load
from training.picodet.export import detect_torch
from training.picodet.model import ModelConfig
from training.picodet.train import TrainConfig, fit, load_checkpoint, rate_factor

TINY = TrainConfig(
    model=ModelConfig({"name": "LCNet", "scale": 0.35}, channels=32, tower_depth=1),
    steps=6,
    batch=4,
    sizes=(64, 96),
    frozen_blocks=0,
    warmup_steps=2,
    checkpoint_steps=3,
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for index, (x, y) in enumerate([(10, 10), (50, 12), (14, 48), (44, 40)]):
        image = Image.new("RGB", (100, 100), (60, 70, 80))
        box = (x, y, x + 40, y + 40)
        ImageDraw.Draw(image).rectangle(box, (230, 200, 40 * index))
        image.save(folder / f"{index}.png")
        made.append(Picture(folder / f"{index}.png", "made", np.array([box], np.float32)))
    return made


def ignore(values):
    pass


def state(folder):
    return load_checkpoint(folder / "checkpoint.safetensors", TINY.model).state_dict()


def test_four_pictures_are_learned_by_heart(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(train, "training_sample", lambda draw, size, rng: squash(draw(), size))
    config = dataclasses.replace(TINY, steps=75, sizes=(64,), head_rate=5e-3, backbone_rate=5e-3, average_decay=0.8)
    reports = []
    model = fit(config, pictures, {}, tmp_path, reports.append)
    assert [report["step"] for report in reports] == [20, 40, 60]
    samples = [squash(load(picture), 64) for picture in pictures]
    found = detect_torch(model, np.stack([np.asarray(sample.image) for sample in samples]))
    overlaps = [box_iou(boxes[:1], sample.boxes).item() for (boxes, _), sample in zip(found, samples, strict=True)]
    assert np.mean(overlaps) >= 0.5  # one box around everything would reach 0.16


def test_a_resumed_run_ends_with_the_same_weights(tmp_path, pictures, monkeypatch):
    fit(TINY, pictures, {}, tmp_path / "whole", ignore)
    monkeypatch.setattr(train, "REPORT_STEPS", 4)  # the run is cut off a step after its checkpoint

    def cut_off(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TINY, pictures, {}, tmp_path / "cut", cut_off)
    fit(TINY, pictures, {}, tmp_path / "cut", ignore)
    whole, cut = state(tmp_path / "whole"), state(tmp_path / "cut")
    for name, value in whole.items():
        torch.testing.assert_close(cut[name], value, rtol=1e-5, atol=1e-6)


def test_a_finished_run_is_not_trained_again(tmp_path, pictures):
    fit(TINY, pictures, {}, tmp_path, ignore)
    before = state(tmp_path)
    fit(TINY, pictures, {}, tmp_path, ignore)
    assert all(torch.equal(value, before[name]) for name, value in state(tmp_path).items())


def test_the_schedule_ends_in_time_on_a_slow_machine(tmp_path, pictures):
    config = dataclasses.replace(TINY, steps=100_000)
    began = time.time()
    fit(config, pictures, {}, tmp_path, ignore, end_by=began + 1.0)
    assert time.time() - began < 10


def test_training_can_start_from_a_checkpoint(tmp_path, pictures):
    fit(TINY, pictures, {}, tmp_path / "first", ignore)
    start = tmp_path / "first/checkpoint.safetensors"
    still = dataclasses.replace(TINY, steps=1, head_rate=0.0, backbone_rate=0.0, average_decay=0.0)
    fit(still, pictures, {}, tmp_path / "second", ignore, start=start)
    first, second = state(tmp_path / "first"), state(tmp_path / "second")
    assert all(torch.equal(first[name], second[name]) for name in first if name.endswith("weight"))


def test_weights_decide_which_pictures_are_drawn(tmp_path, pictures):
    missing = Picture(tmp_path / "missing.png", "never", pictures[0].boxes)
    fit(TINY, [*pictures, missing], {"never": 0.0}, tmp_path, ignore)


def test_the_rate_warms_up_and_falls_as_a_cosine():
    assert rate_factor(0.0, 0, 10) == pytest.approx(0.1)
    assert rate_factor(0.0, 9, 10) == pytest.approx(1.0)
    assert rate_factor(0.5, 500, 10) == pytest.approx(0.51)
    assert rate_factor(1.0, 1000, 10) == pytest.approx(0.02)
    assert math.isclose(rate_factor(2.0, 1000, 10), 0.02)
