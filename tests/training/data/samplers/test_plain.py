from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.samplers import SAMPLERS, DistributedBatchSampler


def ranks(count: int, batch: int, world: int, epoch: int = 0, **options: bool) -> list[list[list[int]]]:
    made = [
        DistributedBatchSampler(range(count), batch, seed=3, rank=rank, world_size=world, **options)
        for rank in range(world)
    ]
    batches = [list(sampler.batches(epoch)) for sampler in made]
    assert [len(sampler) for sampler in made] == [len(each) for each in batches]
    return batches


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.booleans())
def test_every_picture_comes_once_and_no_rank_is_without(count: int, batch: int, world: int, shuffle: bool) -> None:
    found = ranks(count, batch, world, shuffle=shuffle)
    assert len({len(each) for each in found}) == 1
    everything = sorted(chain.from_iterable(chain.from_iterable(found)))
    assert set(everything) == set(range(count))
    if count >= world:
        assert everything == list(range(count))
    sizes = [[len(one) for one in each] for each in found]
    assert {size for each in sizes for size in each[:-2]} <= {batch}
    assert max(max(each) for each in sizes) <= (batch if batch > 3 else 2 * batch)
    if count >= 2 * world:
        assert min(min(each) for each in sizes) >= min(2, batch)
    assert all(abs(a - b) <= 1 for each in sizes for a, b in zip(each, sizes[0], strict=True))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4))
def test_dropping_leaves_full_batches_only_unless_that_leaves_nothing(count: int, batch: int, world: int) -> None:
    found = ranks(count, batch, world, shuffle=True, drop_last=True)
    assert len(found[0]) == max(1, count // (batch * world))
    if count >= batch * world:
        assert {len(one) for each in found for one in each} == {batch}


def test_ranks_joined_are_the_batches_of_one_process_with_a_larger_batch() -> None:
    first, second = ranks(23, 4, 2, shuffle=True)
    (alone,) = ranks(23, 8, 1, shuffle=True)
    assert [a + b for a, b in zip(first, second, strict=True)] == alone


def test_order_changes_with_the_epoch_and_not_between_runs() -> None:
    assert ranks(20, 4, 1, epoch=1, shuffle=True) == ranks(20, 4, 1, epoch=1, shuffle=True)
    assert ranks(20, 4, 1, epoch=1, shuffle=True) != ranks(20, 4, 1, epoch=2, shuffle=True)
    assert ranks(6, 4, 1)[0] == [[0, 1, 2, 3], [4, 5]]


def test_a_batch_of_one_is_avoided() -> None:
    assert ranks(9, 4, 1)[0] == [[0, 1, 2, 3], [4, 5, 6], [7, 8]]
    assert ranks(5, 2, 1)[0] == [[0, 1], [2, 3, 4]]
    assert ranks(3, 1, 2) == [[[0, 1]], [[2]]]
    assert ranks(3, 1, 1)[0] == [[0], [1], [2]]


def test_nothing_to_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        SAMPLERS.build({"name": "DistributedBatchSampler", "batch_size": 2}, labels=[])


def test_fewer_pictures_than_ranks_are_repeated() -> None:
    samplers = [DistributedBatchSampler([0, 1], 1, rank=rank, world_size=3) for rank in range(3)]
    assert [list(sampler.batches(0)) for sampler in samplers] == [[[0]], [[1]], [[0]]]
