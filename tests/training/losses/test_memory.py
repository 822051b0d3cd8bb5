"""The memory of earlier batches."""

import pytest
import torch

from training.losses import LOSSES
from training.losses.memory import CrossBatchMemory


def batch(start: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.arange(start, start + rows)
    return numbers[:, None].float().expand(-1, 2), numbers % 3


def test_the_newest_rows_stay_whatever_the_batch_sizes() -> None:
    memory = CrossBatchMemory(size=7, dim=2, start_iter=0)
    seen = 0
    for rows in (3, 3, 4, 1, 7, 2, 5):
        memory.extra_pairs(*batch(seen, rows))
        seen += rows
        kept = sorted(memory.features[: min(seen, 7), 0].int().tolist())
        assert kept == list(range(max(0, seen - 7), seen))
        assert torch.equal(memory.labels, memory.features[:, 0].long() % 3)


def test_a_picture_is_not_paired_with_its_own_place() -> None:
    memory = CrossBatchMemory(size=4, dim=2, start_iter=0)
    memory.extra_pairs(*batch(0, 3))
    extra = memory.extra_pairs(*batch(3, 3))
    assert extra is not None
    remembered, same, different = extra
    assert remembered[:, 0].int().tolist() == [4, 5, 2, 3]
    assert same.tolist() == [[False] * 4, [False] * 4, [False, False, True, False]]
    assert torch.equal(different, torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 1]], dtype=torch.bool))


def test_it_begins_after_the_first_batches_and_only_while_training() -> None:
    memory = CrossBatchMemory(size=4, dim=2, start_iter=2)
    assert memory.extra_pairs(*batch(0, 2)) is None
    memory.eval()
    assert memory.extra_pairs(*batch(0, 2)) is None
    memory.train()
    assert memory.extra_pairs(*batch(0, 2)) is None
    assert memory.extra_pairs(*batch(0, 2)) is not None
    assert int(memory.added) == 2


def test_label_zero_does_not_look_like_an_empty_place() -> None:
    memory = CrossBatchMemory(size=4, dim=2, start_iter=0)
    memory.extra_pairs(torch.ones(4, 2), torch.zeros(4, dtype=torch.int64))
    extra = memory.extra_pairs(torch.ones(1, 2), torch.zeros(1, dtype=torch.int64))
    assert extra is not None
    assert extra[1].sum() == 3


def test_a_batch_larger_than_the_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 5 does not fit into a memory of 4; raise xbm_size"):
        CrossBatchMemory(size=4, dim=2, start_iter=0).extra_pairs(*batch(0, 5))


@pytest.mark.parametrize(
    "config",
    [
        {"name": "ContrastiveLoss_XBM", "embedding_size": 4},
        {"name": "TripletAngularMarginLoss_XBM", "feat_dim": 4},
    ],
    ids=lambda config: config["name"],
)
def test_a_restored_loss_goes_on_as_the_saved_one_and_counts_the_memory(config: dict) -> None:
    config = {**config, "xbm_size": 10, "xbm_weight": 0.5, "start_iter": 1}
    loss, restored = LOSSES.build(config), LOSSES.build(config)
    random = torch.Generator().manual_seed(0)
    batches = [
        ({"features": torch.randn(4, 4, generator=random)}, torch.randint(0, 3, (4,), generator=random))
        for _ in range(6)
    ]
    for outputs, labels in batches[:4]:
        loss(outputs, labels)
    restored.load_state_dict(loss.state_dict())
    for outputs, labels in batches[4:]:
        with_memory = loss(outputs, labels)
        assert torch.equal(restored(outputs, labels), with_memory)
        assert with_memory > LOSSES.build(config)(outputs, labels)


def test_the_memory_part_is_the_loss_of_batch_against_memory() -> None:
    loss = LOSSES.build(
        {"name": "ContrastiveLoss_XBM", "embedding_size": 2, "xbm_size": 9, "xbm_weight": 2.0, "start_iter": 0}
    )
    angles = torch.tensor([0.0, 0.4, 1.2])
    features, labels = torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([0, 1, 0])
    once = (2 * (1 - torch.tensor(1.2).cos()) + 2 * torch.tensor(0.4).cos() + 2 * torch.tensor(0.8).cos()) / 3
    first = loss({"features": features}, labels)
    second = loss({"features": features}, labels)
    assert first.item() == pytest.approx(3 * once.item(), rel=1e-5)
    assert second.item() == pytest.approx(once.item() * (1 + 2 * 2), rel=1e-5)


def test_the_old_memory_overwrites_its_newest_rows_and_begins_anew() -> None:
    memory = CrossBatchMemory(size=7, dim=2, start_iter=0, upstream=True)
    counts = []
    for start in (1, 4, 7, 10, 13):  # labels 1, 2, 0 in every batch
        extra = memory.extra_pairs(*batch(start, 3))
        counts.append(0 if extra is None else len(extra[0]))
    assert memory.features[:, 0].int().tolist() == [10, 11, 12, 13, 14, 15, 9]
    # Full with the third batch, whose last label is 0: the old memory took itself for empty, then for begun anew.
    assert counts == [3, 6, 0, 3, 6]
    memory = CrossBatchMemory(size=7, dim=2, start_iter=0, upstream=True)
    for start in (0, 3, 5):  # the third batch ends with label 1
        extra = memory.extra_pairs(*batch(start, 3))
    assert extra is not None
    assert extra[0][:, 0].int().tolist() == [0, 1, 2, 3, 5, 6, 7]
