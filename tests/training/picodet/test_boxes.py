import numpy as np
import pytest
import torch

from kenspeckle.geometry import box_iou
from training.picodet.boxes import boxes_to_distances, cells, decode, distances_to_boxes, overlaps


def test_cells_of_an_odd_size_are_counted_upwards():
    centres, strides = cells(200, 96)
    assert [(int((strides == s).sum())) for s in (8, 16, 32, 64)] == [25 * 12, 13 * 6, 7 * 3, 4 * 2]
    assert centres[0].tolist() == [4, 4]
    assert centres[1].tolist() == [12, 4]
    assert centres[-1].tolist() == [96, 224]


def test_decode_places_a_sure_distribution_at_its_bin():
    centres, strides = cells(64, 64)
    logits = torch.full((len(centres), 4, 8), -50.0)
    for side, bin_ in enumerate((1, 2, 3, 4)):
        logits[:, side, bin_] = 50.0
    boxes = decode(logits.flatten(1), centres, strides)
    cell = int((strides == 16).nonzero()[0])
    assert boxes[cell].tolist() == pytest.approx([8 - 16, 8 - 32, 8 + 48, 8 + 64])


def test_an_even_distribution_means_the_middle():
    centres, strides = cells(64, 64)
    boxes = decode(torch.zeros(len(centres), 32), centres, strides)
    assert (boxes[0] - torch.tensor([4 - 28.0, 4 - 28, 4 + 28, 4 + 28])).abs().max() < 1e-4


def test_distances_and_boxes_are_inverse():
    centres, distances = torch.rand(20, 2) * 100, torch.rand(20, 4) * 30
    again = boxes_to_distances(centres, distances_to_boxes(centres, distances))
    torch.testing.assert_close(again, distances, rtol=0, atol=1e-4)


def test_overlaps_agree_with_the_served_geometry():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 80, (40, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 60, (40, 2))], axis=1)
    tensor = torch.from_numpy(boxes)
    iou, giou = overlaps(tensor[:, None], tensor[None])
    np.testing.assert_allclose(iou, box_iou(boxes, boxes), atol=1e-9)
    assert bool((giou <= iou + 1e-9).all())


def test_generalised_overlap_of_distant_boxes_is_negative():
    iou, giou = overlaps(torch.tensor([0.0, 0, 1, 1]), torch.tensor([9.0, 0, 10, 1]))
    assert float(iou) == 0
    assert float(giou) == pytest.approx(-0.8)
