import math

import pytest
import torch

from training.picodet.losses import distribution_focal, giou_loss, varifocal, varifocal_of_probabilities


@pytest.mark.parametrize(("logit", "target"), [(0.3, 0.8), (-2.0, 0.1), (1.5, 0.0), (-4.0, 0.0)])
def test_varifocal_follows_its_formula(logit, target):
    p = 1 / (1 + math.exp(-logit))
    entropy = -(target * math.log(p) + (1 - target) * math.log(1 - p))
    weight = target if target > 0 else 0.75 * p**2
    got = varifocal(torch.tensor([logit]), torch.tensor([target]))
    assert float(got) == pytest.approx(weight * entropy, rel=1e-5)
    of_probability = varifocal_of_probabilities(torch.tensor([p]), torch.tensor([target]))
    assert float(of_probability) == pytest.approx(weight * entropy, rel=1e-5)


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
