from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.picodet.drawn import draw_pictures
from training.picodet.augment import Augmentation
from training.picodet.batches import Drawing, EpochBatches, read_batches
from training.picodet.data import IGNORED, Picture, one_class

NO_BOX = np.zeros((0, 4), np.float32)
AUGMENT = Augmentation(mosaic=0.5, paste=0.5)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("pictures"))


def listed(count, source="s"):
    return [Picture(Path(str(index)), source, NO_BOX, one_class(0)) for index in range(count)]


def drawing(pictures, **changes):
    return Drawing(**{"pictures": pictures, "weights": {}, "batch": 4, "per_epoch": None, "seed": 1} | changes)


def test_every_picture_comes_once_an_epoch_in_another_order_each():
    draws = drawing(listed(20))
    assert draws.batches == 5
    first, second = draws.order(0, 0), draws.order(1, 0)
    assert sorted(first.ravel()) == sorted(second.ravel()) == list(range(20))
    assert first.tolist() != second.tolist()


def test_processes_share_an_epoch_without_a_picture_twice():
    draws = drawing(listed(24), processes=2)
    assert draws.batches == 3
    both = np.concatenate([draws.order(3, process).ravel() for process in range(2)])
    assert sorted(both) == list(range(24))


def test_fewer_pictures_than_a_batch_are_repeated():
    assert Counter(drawing(listed(3)).order(0, 0).ravel().tolist()).keys() == {0, 1, 2}


def test_a_source_of_half_weight_is_drawn_half_as_often():
    draws = drawing([*listed(50), *listed(50, "rare")], weights={"rare": 0.5}, per_epoch=500)
    share = np.mean(draws.order(0, 0) >= 50)
    assert 0.29 < share < 0.38


def test_weights_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match="weights: no picture is left"):
        drawing(listed(3), weights={"s": 0.0}).order(0, 0)


def test_a_batch_depends_on_its_number_alone(pictures):
    batches = EpochBatches(drawing(pictures, per_epoch=4), AUGMENT, (64, 96), epoch=2, process=0)
    again = list(read_batches(batches, first=2, workers=0))
    assert len(again) == 2
    for number, batch in enumerate(again, 2):
        assert torch.equal(batch.pixels, batches[number].pixels)
        assert all(torch.equal(a, b) for a, b in zip(batch.boxes, batches[number].boxes, strict=True))


def test_batches_have_the_sizes_of_the_recipe(pictures):
    batches = EpochBatches(drawing(pictures, per_epoch=12), Augmentation(), (64, 96), epoch=0, process=0)
    sides = {batch.pixels.shape for batch in read_batches(batches, 0, 0)}
    assert sides == {(4, 64, 64, 3), (4, 96, 96, 3)}


def test_worker_processes_give_the_same(pictures):
    batches = EpochBatches(drawing(pictures, per_epoch=3), AUGMENT, (64,), epoch=0, process=0)
    here, there = (list(read_batches(batches, 0, workers)) for workers in (0, 1))
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(here, there, strict=True))


def test_ignored_regions_are_no_objects(pictures):
    (batch,) = read_batches(EpochBatches(drawing(pictures, per_epoch=1), Augmentation(), (64,), 0, 0), 0, 0)
    changed = batch._replace(labels=[torch.full_like(labels, IGNORED) for labels in batch.labels])
    for truth, boxes in zip(changed.truths(torch.device("cpu")), batch.boxes, strict=True):
        assert len(truth.boxes) == len(truth.classes) == 0
        assert torch.equal(truth.ignored, boxes)
