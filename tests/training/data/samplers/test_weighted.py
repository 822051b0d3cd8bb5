import numpy as np
import pytest

from training.data.samplers import ClassWeightedSampler

LABELS = np.repeat([0, 1, 2], [10, 40, 50])


@pytest.mark.parametrize(
    ("power", "shares"), [(1.0, [1 / 3, 1 / 3, 1 / 3]), (0.0, [0.1, 0.4, 0.5]), (0.5, np.sqrt([10, 40, 50]))]
)
def test_classes_come_by_the_power_of_their_size(power: float, shares: list[float]) -> None:
    sampler = ClassWeightedSampler(LABELS, 7, power=power)
    drawn = np.concatenate([batch for epoch in range(60) for batch in sampler.batches(epoch)])
    wanted = np.array(shares) / np.sum(shares)
    found = np.bincount(LABELS[drawn]) / len(drawn)
    assert len(drawn) == 6000
    assert (np.abs(found - wanted) < 4.5 * np.sqrt(wanted * (1 - wanted) / 6000)).all()


def test_ranks_joined_are_the_batches_of_one_process() -> None:
    ours = [list(ClassWeightedSampler(LABELS, 4, rank=rank, world_size=2).batches(1)) for rank in (0, 1)]
    alone = list(ClassWeightedSampler(LABELS, 8).batches(1))
    assert [a + b for a, b in zip(*ours, strict=True)] == alone
    assert len(alone) == len(ClassWeightedSampler(LABELS, 8)) == 13
