"""Weighted losses of a configuration."""

import pytest
import torch

from training.losses import CELoss, CombinedLoss, TripletLossV2
from training.registry import UnknownName

LABELS = torch.tensor([0, 0, 1, 2])


def outputs() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return {"features": torch.randn(4, 5, generator=random), "logits": torch.randn(4, 3, generator=random)}


def test_it_gives_the_weighted_value_of_every_loss_by_name() -> None:
    values = CombinedLoss([{"CELoss": {"weight": 2}}, {"TripletLossV2": {"weight": 0.5, "margin": 0.3}}])(
        outputs(), LABELS
    )
    assert list(values) == ["CELoss", "TripletLossV2"]
    assert values["CELoss"].item() == pytest.approx(2 * CELoss()(outputs(), LABELS).item())
    assert values["TripletLossV2"].item() == pytest.approx(0.5 * TripletLossV2(0.3)(outputs(), LABELS).item())


def test_a_loss_may_be_there_twice() -> None:
    values = CombinedLoss([{"CELoss": {"weight": 1}}, {"CELoss": {"weight": 3}}])(outputs(), LABELS)
    assert list(values) == ["CELoss", "CELoss_1"]
    assert values["CELoss_1"].item() == pytest.approx(3 * values["CELoss"].item())


def test_a_single_weight_counts_unless_the_old_way_is_asked_for() -> None:
    plain = CELoss()(outputs(), LABELS).item()
    config = [{"CELoss": {"weight": 0.25}}]
    assert CombinedLoss(config)(outputs(), LABELS)["CELoss"].item() == pytest.approx(0.25 * plain)
    old = CombinedLoss(config, single_weight_ignored=True)
    assert old(outputs(), LABELS)["CELoss"].item() == pytest.approx(plain)
    two = CombinedLoss([*config, {"KoLeo": {"weight": 0.1}}], single_weight_ignored=True)
    assert two(outputs(), LABELS)["CELoss"].item() == pytest.approx(0.25 * plain)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "there is no loss"),
        ([{"CELoss": {"epsilon": 0.1}}], "CELoss has no weight; add weight: 1.0"),
        ([{"CELoss": None}], "CELoss has no weight"),
        ([{"CELoss": {"weight": 1}, "KoLeo": {"weight": 1}}], "one per list entry"),
        (["CELoss"], "one per list entry"),
        ([{"CELoss": {"weight": "much"}}], "weight of CELoss is 'much'; it must be a number"),
    ],
)
def test_a_wrong_list_is_refused_with_what_to_do(config: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CombinedLoss(config)


def test_unknown_names_and_parameters_are_answered_with_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="CELoss"):
        CombinedLoss([{"CEloss": {"weight": 1}}])
    with pytest.raises(UnknownName, match="epsilon"):
        CombinedLoss([{"CELoss": {"weight": 1, "epsilom": 0.1}}])


def test_one_value_per_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="set its reduction to mean or sum"):
        CombinedLoss([{"CELoss": {"weight": 1, "reduction": "none"}}])(outputs(), LABELS)


def test_autocast_does_not_lower_the_precision() -> None:
    loss = CombinedLoss([{"SupConLoss": {"weight": 1}}])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = loss(outputs(), LABELS)["SupConLoss"]
    assert torch.equal(under, loss(outputs(), LABELS)["SupConLoss"])


def test_state_of_its_losses_is_its_own() -> None:
    loss = CombinedLoss([{"CenterLoss": {"weight": 1, "num_classes": 3, "feat_dim": 5}}])
    assert [name for name, _ in loss.named_parameters()] == ["losses.CenterLoss.centers"]
