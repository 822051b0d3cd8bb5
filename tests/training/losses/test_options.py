"""Parameters of single losses."""

import math

import pytest
import torch
from torch.nn import functional as F

from training.losses import (
    CELoss,
    CenterLoss,
    DistillationDistanceLoss,
    DistillationDMLLoss,
    DMLLoss,
    DSHSDLoss,
    EmlLoss,
    MSMLoss,
    MultiSimilarity,
    NpairsLoss,
    SupConLoss,
    TriHardLoss,
    TripletAngularMarginLoss,
    TripletLoss2018,
    supervised_contrastive,
)
from training.numerics import unit


def random(rows: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_soft_labels_are_taken_as_they_are_unless_the_old_softmax_is_asked_for() -> None:
    logits, target = random(5, 4), random(5, 4, 1).softmax(1)
    plain = -(target * logits.log_softmax(1)).sum(1).mean()
    old = -(target.softmax(1) * logits.log_softmax(1)).sum(1).mean()
    assert CELoss()({"logits": logits}, target).item() == pytest.approx(plain.item())
    assert CELoss(softmax_labels=True)({"logits": logits}, target).item() == pytest.approx(old.item())


def test_cross_entropy_may_be_summed_or_left_per_picture() -> None:
    outputs, labels = {"logits": random(5, 4)}, torch.tensor([0, 1, 2, 3, 0])
    values = CELoss(reduction="none")(outputs, labels)
    assert values.shape == (5,)
    assert CELoss(reduction="sum")(outputs, labels).item() == pytest.approx(values.sum().item())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CELoss(epsilon=10), "epsilon of CELoss is 10"),
        (lambda: CELoss(reduction="max"), "mean, sum, none"),
        (lambda: TripletAngularMarginLoss(reduction="none"), "must be mean or sum"),
        (lambda: SupConLoss(contrast_mode="one"), "only 'all'"),
        (lambda: DSHSDLoss(0.1, multi_label=True), "multi_label"),
        (lambda: DMLLoss(act="sigmoid"), "must be softmax"),
        (lambda: DistillationDistanceLoss([["A", "B"]], mode="l3"), "l1, l2, smooth_l1"),
    ],
)
def test_a_parameter_out_of_range_is_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_old_offset_shifts_the_value_by_the_share_of_rows_below_and_leaves_the_gradient() -> None:
    features, labels = random(8, 5).requires_grad_(), torch.tensor([0, 0, 1, 1, 2, 2, 3, 4])
    given = {"add_absolute": True, "absolute_loss_weight": 0.3, "an_value": 0.6}
    true, old = (TripletAngularMarginLoss(**given, upstream_offset=offset) for offset in (False, True))
    cosines = unit(features.detach()) @ unit(features.detach()).T
    nearest = cosines.masked_fill(labels[:, None] == labels[None, :], -1).amax(1)[:6]
    share = (nearest <= 0.6).double().mean().item()
    assert 0 < share < 1
    values = [loss({"features": features}, labels) for loss in (true, old)]
    assert values[1].item() - values[0].item() == pytest.approx(0.3 * share)
    gradients = [torch.autograd.grad(value, features)[0] for value in values]
    torch.testing.assert_close(*gradients)


def test_consecutive_triplets_read_the_order_and_leave_out_an_incomplete_one() -> None:
    features = random(7, 4)
    rows = unit(features)
    hinges = [
        max(0.0, float((rows[i] - rows[i + 1]).square().sum() - (rows[i] - rows[i + 2]).square().sum()) + 0.1)
        for i in (0, 3)
    ]
    value = TripletLoss2018(consecutive_triplets=True)({"features": features}, torch.zeros(7, dtype=torch.int64))
    assert value.item() == pytest.approx(sum(hinges) / 2)


def test_pairs_of_a_class_are_made_in_the_order_of_the_batch() -> None:
    features = random(4, 3)
    loss, labels = NpairsLoss(0.0), torch.tensor([7, 2, 7, 2])
    expected = F.cross_entropy(features[:2] @ features[2:].T, torch.arange(2))
    assert loss({"features": features}, labels).item() == pytest.approx(expected.item())


def test_two_pairs_of_one_class_are_no_negatives_of_each_other() -> None:
    assert NpairsLoss(0.0)({"features": random(4, 3)}, torch.zeros(4, dtype=torch.int64)).item() == 0


def test_two_pairs_of_one_class_are_negatives_where_old_results_need_it() -> None:
    features = random(4, 3)
    loss = NpairsLoss(0.0, same_class_negatives=True)
    expected = F.cross_entropy(features[::2] @ features[1::2].T, torch.arange(2))
    assert loss({"features": features}, torch.zeros(4, dtype=torch.int64)).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("build", [TriHardLoss, MSMLoss, EmlLoss])
def test_groups_of_rows_are_the_classes_where_old_results_need_it(build) -> None:
    outputs, labels = {"features": random(7, 4)}, torch.tensor([3, 1, 3, 1, 0, 0, 2])
    placed = build(samples_each_class=3, by_place=True)(outputs, labels)
    assert placed.item() == pytest.approx(build()(outputs, torch.tensor([0, 0, 0, 1, 1, 1, 2])).item())
    assert placed.item() != pytest.approx(build()(outputs, labels).item())
    with pytest.raises(ValueError, match=f"{build.__name__}: by_place needs samples_each_class"):
        build(by_place=True)(outputs, labels)


def test_the_divergence_may_be_summed_over_the_classes_as_it_was() -> None:
    outputs = {"A": {"logits": random(5, 6)}, "B": {"logits": random(5, 6, 1)}}
    labels = torch.zeros(5, dtype=torch.int64)
    plain = DMLLoss()(outputs, labels).item()
    assert DMLLoss(sum_across_class_dim=True)(outputs, labels).item() == pytest.approx(6 * plain)
    pairs = DistillationDMLLoss([["A", "B"]], sum_across_class_dim=True)
    assert pairs(outputs, labels).item() == pytest.approx(6 * plain)


def test_base_temperature_scales_the_contrastive_loss() -> None:
    outputs, labels = {"features": random(6, 4)}, torch.tensor([0, 0, 1, 1, 2, 2])
    value = SupConLoss(temperature=0.2, base_temperature=0.1)(outputs, labels)
    assert value.item() == pytest.approx(2 * supervised_contrastive(unit(outputs["features"]), labels, 0.2).item())


def test_multi_similarity_over_all_pairs() -> None:
    features, labels = random(5, 4), [0, 0, 1, 1, 2]
    s, total = unit(features) @ unit(features).T, 0.0
    for i in range(5):
        near = [math.exp(-2 * (s[i, j].item() - 0.5)) for j in range(5) if j != i and labels[j] == labels[i]]
        far = [math.exp(50 * (s[i, j].item() - 0.5)) for j in range(5) if labels[j] != labels[i]]
        total += math.log1p(sum(near)) / 2 + math.log1p(sum(far)) / 50
    value = MultiSimilarity(epsilon=None)({"features": features}, torch.tensor(labels))
    assert value.item() == pytest.approx(total / 5, rel=1e-6)


def test_labels_of_mixed_pictures_are_refused_where_a_class_number_is_needed() -> None:
    with pytest.raises(ValueError, match="one class number per picture"):
        MultiSimilarity()({"features": random(3, 4)}, random(3, 5).softmax(1))


def test_centres_move_towards_their_features() -> None:
    loss = CenterLoss(3, 4)
    features, labels = random(2, 4).float(), torch.tensor([2, 2])
    loss({"features": features}, labels).backward()
    assert loss.centers.grad is not None
    torch.testing.assert_close(loss.centers.grad[2], 2 * loss.centers[2].detach() - features.sum(0))
    assert not loss.centers.grad[:2].any()
