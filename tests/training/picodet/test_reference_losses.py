"""Assignment and losses of both heads against arrays of the published implementation (optional data folder)."""

import numpy as np
import pytest
import torch

from tests.training.picodet.reference import rules, stored
from training.picodet.assign import atss, simota, task_aligned
from training.picodet.boxes import STRIDES, cells, decode
from training.picodet.criterion import Outputs, Truth, aligned_losses, sim_ota_losses

pytestmark = pytest.mark.shared
SIZE = (320, 320)
TAGS = [("c1", 1), ("c3", 3)]
NOTHING = torch.zeros(0, 4)


def fixture_logits(tag, classes):
    levels = []
    for index, side in enumerate((40, 20, 10, 5)):
        scores = 4 * rules().uniform(f"{tag}cls{index}", 2 * classes * side * side) - 3.5
        bins = 4 * rules().uniform(f"{tag}reg{index}", 2 * 32 * side * side) - 2
        stacked = [scores.reshape(2, classes, -1), bins.reshape(2, 32, -1)]
        levels.append(np.concatenate(stacked, axis=1).astype(np.float32).transpose(0, 2, 1))
    cells_of = torch.from_numpy(np.concatenate(levels, axis=1))
    return cells_of[..., :classes], cells_of[..., classes:]


def truths(arrays, tag):
    found = []
    for index in range(2):
        there = arrays[f"{tag}/gt_mask"][index, :, 0] > 0
        boxes = torch.from_numpy(arrays[f"{tag}/gt_boxes"][index][there])
        found.append(Truth(boxes, torch.from_numpy(arrays[f"{tag}/gt_labels"][index, there, 0]), NOTHING))
    return found


@pytest.mark.parametrize(("tag", "classes"), TAGS)
def test_simota_chooses_the_stored_cells_and_boxes(tag, classes):
    arrays = stored("assign_loss")
    class_logits, distance_logits = fixture_logits(tag, classes)
    centres, strides = cells(*SIZE)
    for index, truth in enumerate(truths(arrays, tag)):
        predicted = decode(distance_logits[index], centres, strides)
        found = simota(class_logits[index].sigmoid(), predicted, centres, strides, truth.boxes, truth.classes)
        expected = arrays[f"{tag}/simota_{index}_labels"]
        assert found.cells.tolist() == np.flatnonzero(expected < classes).tolist()
        assert truth.classes[found.boxes].tolist() == expected[found.cells].tolist()
        boxes = arrays[f"{tag}/simota_{index}_boxes"][found.cells]
        np.testing.assert_allclose(truth.boxes[found.boxes], boxes, rtol=1e-6)


@pytest.mark.parametrize("kind", ["atss", "tal"])
@pytest.mark.parametrize(("tag", "classes"), TAGS)
def test_the_assigners_of_the_second_head_give_the_stored_labels_and_scores(tag, classes, kind):
    arrays = stored("assign_loss")
    class_logits, distance_logits = fixture_logits(tag, classes)
    centres, strides = cells(*SIZE)
    for index, truth in enumerate(truths(arrays, tag)):
        predicted = decode(distance_logits[index], centres, strides)
        if kind == "atss":
            found = atss(predicted, centres, strides, truth.boxes)
        else:
            found = task_aligned(class_logits[index].sigmoid(), predicted, centres, truth.boxes, truth.classes)
        labels, scores = arrays[f"{tag}/{kind}_labels"][index], arrays[f"{tag}/{kind}_scores"][index]
        assert found.cells.tolist() == np.flatnonzero(labels < classes).tolist()
        assert truth.classes[found.boxes].tolist() == labels[found.cells].tolist()
        np.testing.assert_allclose(found.scores, scores[found.cells].max(axis=1), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", ["v1", "v2_atss", "v2_tal"])
@pytest.mark.parametrize(("tag", "classes"), TAGS)
def test_losses_equal_the_stored_ones(tag, classes, kind):
    arrays = stored("assign_loss")
    logits, distances = fixture_logits(tag, classes)
    scores = logits.sigmoid()
    if kind == "v1":
        losses = sim_ota_losses(Outputs.decoded(logits, scores, distances, SIZE, STRIDES), truths(arrays, tag))
    else:
        outputs = Outputs.decoded(scores, scores, distances, SIZE, STRIDES)
        losses = aligned_losses(outputs, truths(arrays, tag), warm_up=kind == "v2_atss")
    for ours, theirs in {"vfl": "vfl", "giou": "bbox", "dfl": "dfl"}.items():
        assert float(losses[ours]) == pytest.approx(float(arrays[f"{tag}/{kind}_loss_{theirs}"]), rel=1e-4)
