import math

import pytest
import torch

from training.picodet.boxes import STRIDES
from training.picodet.criterion import Outputs, Truth, aligned_losses, sim_ota_losses

SIZE = (64, 64)
CELLS = 64 + 16 + 4 + 1
NOTHING = torch.zeros(0, 4)
EMPTY = Truth(NOTHING, torch.zeros(0, dtype=torch.long), NOTHING)
ONE = Truth(torch.tensor([[10.0, 10, 54, 54]]), torch.zeros(1, dtype=torch.long), NOTHING)


def outputs(logits, distances, probabilities=False):
    scores = logits.sigmoid()
    return Outputs.decoded(scores if probabilities else logits, scores, distances, SIZE, STRIDES)


def zeros():
    return torch.zeros(1, CELLS, 1, requires_grad=True), torch.zeros(1, CELLS, 32, requires_grad=True)


HEADS = {
    "sim_ota": lambda logits, distances, truths: sim_ota_losses(outputs(logits, distances), truths),
    "atss": lambda logits, distances, truths: aligned_losses(outputs(logits, distances, True), truths, warm_up=True),
    "tal": lambda logits, distances, truths: aligned_losses(outputs(logits, distances, True), truths, warm_up=False),
}
every_head = pytest.mark.parametrize("losses_of", HEADS.values(), ids=HEADS)


@every_head
def test_a_batch_without_objects_has_only_a_loss_for_false_claims(losses_of):
    logits, distances = zeros()
    losses = losses_of(logits, distances, [EMPTY])
    sum(losses.values()).backward()
    assert float(losses["vfl"].detach()) == pytest.approx(CELLS * 0.75 * 0.25 * math.log(2), rel=1e-4)
    assert float(losses["giou"].detach()) == float(losses["dfl"].detach()) == 0
    assert bool((logits.grad > 0).all())


@every_head
def test_cells_in_an_ignored_region_are_not_blamed_for_their_claims(losses_of):
    logits, distances = zeros()
    left = Truth(NOTHING, EMPTY.classes, torch.tensor([[0.0, 0, 32, 64]]))
    sum(losses_of(logits, distances, [left]).values()).backward()
    finest = logits.grad[0, :64, 0].reshape(8, 8)
    assert not finest[:, :4].any()
    assert bool((finest[:, 4:] > 0).all())


@every_head
def test_an_object_in_an_ignored_region_is_learned(losses_of):
    logits, distances = zeros()
    everywhere = Truth(ONE.boxes, ONE.classes, torch.tensor([[0.0, 0, 64, 64]]))
    sum(losses_of(logits, distances, [everywhere]).values()).backward()
    learned = logits.grad[0].any(dim=1)
    assert 0 < int(learned.sum()) < CELLS / 2
    assert torch.equal(distances.grad[0].any(dim=1), learned)


@every_head
def test_losses_fall_when_the_claims_are_right(losses_of):
    distances = torch.zeros(1, CELLS, 32)
    unsure = losses_of(torch.zeros(1, CELLS, 1), distances, [ONE])
    sure = losses_of(torch.full((1, CELLS, 1), -6.0), distances, [ONE])
    assert float(sure["vfl"]) < float(unsure["vfl"])


@every_head
def test_the_picture_without_objects_changes_nothing_for_its_neighbour_but_the_false_claims(losses_of):
    logits, distances = torch.full((2, CELLS, 1), -30.0), torch.zeros(2, CELLS, 32)
    logits[0] = torch.linspace(-2, 2, CELLS)[:, None]
    alone, together = losses_of(logits[:1], distances[:1], [ONE]), losses_of(logits, distances, [ONE, EMPTY])
    for name, value in alone.items():
        assert float(together[name]) == pytest.approx(float(value), rel=1e-5)
