from itertools import islice

import numpy as np
import pytest

from training.data.samplers import DomainShuffleBatchSampler

LABELS = np.tile(np.repeat(np.arange(12), 5), 3)
DOMAINS = np.repeat([0, 1, 2], 60)


def sampler(
    batch: int = 24, each: int = 4, rank: int = 0, world: int = 1, keep: int = 180
) -> DomainShuffleBatchSampler:
    return DomainShuffleBatchSampler(LABELS[:keep], DOMAINS[:keep], batch, each, seed=3, rank=rank, world_size=world)


def test_a_batch_has_an_equal_part_of_every_camera_in_groups_of_one_class() -> None:
    made = list(sampler().batches(0))
    assert len(made) == len(sampler()) == 7
    for batch in made:
        assert np.bincount(DOMAINS[batch]).tolist() == [8, 8, 8]
        groups = np.reshape(batch, (6, 4))
        assert all(len(set(zip(LABELS[group], DOMAINS[group], strict=True))) == 1 for group in groups)
        assert all(len(set(group)) == 4 for group in groups)
    assert list(sampler().batches(0)) == made != list(sampler().batches(1))


def test_a_small_domain_begins_anew() -> None:
    small = sampler(keep=140)
    assert len(small) == 7
    made = [list(small.batches(epoch)) for epoch in (0, 1)]
    assert [np.bincount(DOMAINS[batch]).tolist() for batch in made[0]] == [[8, 8, 8]] * 7
    last = [tuple(sorted(np.array(batch)[DOMAINS[batch] == 2])) for epoch in made for batch in epoch]
    assert len(set(last)) > 10


def test_ranks_draw_different_classes_of_a_camera() -> None:
    ours = [list(islice(sampler(rank=rank, world=2).batches(0), 3)) for rank in (0, 1)]
    for first, second in zip(*ours, strict=True):
        for domain in range(3):
            classes = [set(LABELS[b][DOMAINS[b] == domain].tolist()) for b in (np.array(first), np.array(second))]
            assert not classes[0] & classes[1]


def test_what_is_not_possible_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 12 is the least"):
        sampler(batch=8)
    with pytest.raises(ValueError, match="camera_to_domain"):
        DomainShuffleBatchSampler(LABELS, DOMAINS, 24, 4, camera_to_domain=False)
