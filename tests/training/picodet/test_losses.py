import math

import pytest
import torch

from training.picodet.criterion import detection_losses
from training.picodet.losses import distribution_focal, giou_loss, varifocal


@pytest.mark.parametrize(("logit", "target"), [(0.3, 0.8), (-2.0, 0.1), (1.5, 0.0), (-4.0, 0.0)])
def test_varifocal_follows_its_formula(logit, target):
    p = 1 / (1 + math.exp(-logit))
    entropy = -(target * math.log(p) + (1 - target) * math.log(1 - p))
    weight = target if target > 0 else 0.75 * p**2
    got = varifocal(torch.tensor([logit]), torch.tensor([target]))
    assert float(got) == pytest.approx(weight * entropy, rel=1e-5)


def test_distribution_focal_weighs_the_two_nearest_bins():
    logits = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    distances = torch.tensor([[0.0, 1.25, 3.5, 6.5], [2, 2, 2, 2], [9, -1, 5.75, 0.5]])
    expected = []
    for row, sides in zip(logits.reshape(3, 4, 8), distances, strict=True):
        total = 0.0
        for bins, distance in zip(row.log_softmax(dim=1), sides, strict=True):
            y = min(max(float(distance), 0), 6.9)
            low = int(y)
            total -= float(bins[low]) * (low + 1 - y) + float(bins[low + 1]) * (y - low)
        expected.append(total / 4)
    assert distribution_focal(logits, distances).tolist() == pytest.approx(expected, rel=1e-4)


def test_giou_loss_is_zero_for_equal_boxes_and_above_one_for_distant_ones():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]])
    equal, distant = giou_loss(boxes, torch.tensor([[0.0, 0, 2, 2], [8, 8, 9, 9]])).tolist()
    assert equal == pytest.approx(0, abs=1e-6)
    assert distant > 1


def test_a_batch_without_objects_has_only_a_loss_for_false_claims():
    classes, distances = torch.zeros(1, 85, 1, requires_grad=True), torch.zeros(1, 85, 32, requires_grad=True)
    empty = [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.long)]
    losses = detection_losses(classes, distances, (64, 64), *empty)
    sum(losses.values()).backward()
    losses = {name: value.detach() for name, value in losses.items()}
    assert float(losses["vfl"]) == pytest.approx(85 * 0.75 * 0.25 * math.log(2), rel=1e-4)
    assert float(losses["giou"]) == float(losses["dfl"]) == 0
    assert bool((classes.grad > 0).all())


def test_losses_fall_when_the_claimed_cells_are_right():
    box, label = [torch.tensor([[10.0, 10, 54, 54]])], [torch.zeros(1, dtype=torch.long)]
    distances = torch.zeros(1, 85, 32)
    unsure = detection_losses(torch.zeros(1, 85, 1), distances, (64, 64), box, label)
    sure = torch.full((1, 85, 1), -6.0)
    found = detection_losses(sure, distances, (64, 64), box, label)
    assert float(found["vfl"]) < float(unsure["vfl"])
