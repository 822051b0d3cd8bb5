import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.samplers import DistributedRandomIdentitySampler
from training.data.samplers.identity import batches_of_groups

LABELS = np.repeat(np.arange(10), [1, 2, 3, 5, 8, 8, 13, 4, 6, 10])


def made(labels: object, batch: int, each: int, epoch: int = 0, **options: int | None) -> list[list[int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = DistributedRandomIdentitySampler(labels, batch, each, **options)  # type: ignore[arg-type]
    batches = list(sampler.batches(epoch))
    assert len(batches) == len(sampler)
    return batches


def test_full_batches_are_as_many_as_were_announced_elsewhere_and_not_got() -> None:
    """On these labels the reference sampler announces 5 batches of 3 x 4 and gives 4."""
    batches = made(LABELS, 12, 4, drop_last=True)
    assert len(batches) == 5
    for batch in batches:
        rows = LABELS[batch].reshape(3, 4)
        assert (rows == rows[:, :1]).all()
        assert len(set(rows[:, 0])) == 3


def test_a_number_of_iterations_is_kept_over_several_passes() -> None:
    batches = made(LABELS, 12, 4, drop_last=True, max_iters=7)
    assert len(batches) == 7
    assert batches[:5] == made(LABELS, 12, 4, drop_last=True)
    assert batches[5:] != batches[:2]


labels = st.lists(st.integers(0, 8), min_size=1, max_size=60)


@settings(max_examples=150)
@given(labels, st.integers(1, 12), st.integers(1, 5), st.integers(0, 3))
def test_every_picture_comes_and_classes_differ(labels: list[int], batch: int, each: int, epoch: int) -> None:
    batches = made(labels, batch, each, epoch)
    each = min(each, batch)
    counts = np.bincount(labels)
    groups = -(-counts[counts > 0] // each)
    two = min(2, len(groups))
    for one in batches:
        rows = np.array(labels)[one].reshape(-1, each)
        assert (rows == rows[:, :1]).all()
        assert len(set(rows[:, 0].tolist())) == len(rows)
        assert len(one) <= max(batch, each)
        if batch >= 2 * each:
            assert len(rows) >= two
    room = min(batch // each, len(groups))
    if len(batches) == max(groups.max(), -(-groups.sum() // room)):
        assert {i for one in batches for i in one} == set(range(len(labels)))


@given(labels, st.integers(1, 12), st.integers(1, 5))
def test_dropping_gives_full_batches_only(labels: list[int], batch: int, each: int) -> None:
    sizes = {len(one) for one in made(labels, batch, each, drop_last=True)}
    assert len(sizes) == 1


def test_balanced_data_lose_nothing() -> None:
    labels = np.repeat(np.arange(20), 8)
    batches = made(labels, 32, 4)
    assert sorted(i for one in batches for i in one) == list(range(160))
    assert {len(one) for one in batches} == {32}


def test_ranks_joined_are_the_batches_of_one_process() -> None:
    labels = np.repeat(np.arange(20), 9)
    ours = [made(labels, 8, 4, rank=rank, world_size=2) for rank in (0, 1)]
    assert [a + b for a, b in zip(*ours, strict=True)] == made(labels, 16, 4)
    assert all(not set(labels[a]) & set(labels[b]) for a, b in zip(*ours, strict=True))


def test_the_number_of_batches_is_the_largest_possible() -> None:
    """Against trying out all ways for all small cases."""

    def possible(groups: tuple[int, ...], fewest: int, batches: int) -> bool:
        left = sorted(groups, reverse=True)
        for _ in range(batches):
            if left[fewest - 1] == 0:
                return False
            left = sorted([count - 1 if place < fewest else count for place, count in enumerate(left)], reverse=True)
        return True

    for groups in product(range(1, 5), repeat=3):
        for fewest in (1, 2, 3):
            most = max(n for n in range(1, 13) if possible(groups, fewest, n))
            assert batches_of_groups(np.array(groups), fewest, 1) == min(most, sum(groups))


def test_one_class_of_many_does_not_make_batches_of_its_own() -> None:
    labels = [0] * 100 + [1] * 4 + [2] * 4
    batches = made(labels, 8, 2)
    assert all(len({labels[i] for i in one}) >= 2 for one in batches)
    assert len(batches) == 4


def test_batch_2_with_2_pictures_and_one_class_works() -> None:
    assert made([0, 0, 0], 2, 2)
    with pytest.warns(UserWarning, match="1 classes x 2 pictures"):
        DistributedRandomIdentitySampler([0, 0], 4, 2)


def test_epochs_differ_and_runs_do_not() -> None:
    assert made(LABELS, 12, 4, 1, seed=4) == made(LABELS, 12, 4, 1, seed=4)
    assert made(LABELS, 12, 4, 1, seed=4) != made(LABELS, 12, 4, 2, seed=4)
