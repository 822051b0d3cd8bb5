from collections import Counter

import pytest

from training.data.samplers import SAMPLERS, RepeatedAugSampler


def batches(count: int, batch: int, rank: int = 0, world: int = 1, epoch: int = 0, **options: int) -> list[list[int]]:
    sampler = RepeatedAugSampler(range(count), batch, rank=rank, world_size=world, seed=1, **options)
    made = list(sampler.batches(epoch))
    assert len(made) == len(sampler)
    return made


def test_each_picture_comes_in_copies_and_an_epoch_is_as_long_as_a_plain_one() -> None:
    made = batches(600, 12, shuffle=True)
    assert sum(map(len, made)) == 512
    counted = Counter(place for batch in made for place in batch)
    assert sorted(Counter(counted.values()).items()) == [(2, 1), (3, 170)]
    assert {len(batch) for batch in made[:-1]} == {12}
    assert all(set(Counter(batch).values()) == {3} for batch in made[:40])
    assert batches(600, 12, epoch=1, shuffle=True) != made


def test_copies_go_to_different_ranks_that_share_a_batch() -> None:
    ours = [batches(600, 4, rank, world=3, shuffle=True) for rank in range(3)]
    alone = batches(600, 12, shuffle=True)
    for parts, whole in zip(zip(*ours, strict=True), alone, strict=True):
        assert sorted(place for part in parts for place in part) == sorted(whole)
    assert all(len(set(part)) == 4 for part in ours[0][:-1])


@pytest.mark.parametrize(("count", "batch"), [(1, 4), (5, 4), (9, 4), (30, 7)])
def test_few_pictures_are_enough(count: int, batch: int) -> None:
    made = batches(count, batch, num_repeats=2)
    assert sum(map(len, made)) == count
    assert {place for one in made for place in one} == set(range((count + 1) // 2))


def test_both_old_names_and_impossible_parameters() -> None:
    for name in ("RASampler", "RepeatedAugSampler"):
        assert len(SAMPLERS.build({"name": name, "batch_size": 2}, labels=range(4))) == 2
    with pytest.raises(ValueError, match="num_repeats"):
        batches(4, 2, num_repeats=0)
