from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.pictures import draw_folder
from training.data.build import build_dataset, build_loader
from training.data.samplers import MultiScaleSampler

SCALES = [224, 288, 160, 192]


def test_pictures_per_batch_go_with_the_area() -> None:
    """The pairs that the reference stack computes for these scales."""
    sampler = MultiScaleSampler(range(60), SCALES, 4)
    assert sampler.pairs == [(224, 224, 4), (288, 288, 2), (160, 160, 8), (192, 192, 5)]
    assert MultiScaleSampler(range(60), [[230, 100]], 4).pairs == [(224, 96, 4)]
    assert MultiScaleSampler(range(60), SCALES, 4, is_training=False).pairs == [(224, 224, 4)]


@given(st.integers(1, 80), st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_every_picture_comes_once_with_the_size_of_its_batch(count: int, world: int, epoch: int, shuffle: bool) -> None:
    samplers = [
        MultiScaleSampler(range(count), SCALES, 4, shuffle=shuffle, rank=rank, world_size=world)
        for rank in range(world)
    ]
    batches = [list(sampler.batches(epoch)) for sampler in samplers]
    sizes = [list(sampler.sizes(epoch)) for sampler in samplers]
    assert all(each == sizes[0] for each in sizes)
    assert {len(each) for each in batches} == {len(samplers[0])} == {len(sizes[0])}
    largest = {(width, height): most for width, height, most in samplers[0].pairs}
    assert all(0 < len(one) <= largest[size] + 2 for each in batches for one, size in zip(each, sizes[0], strict=True))
    if count >= 2 * world:
        assert all(len(one) >= 2 for each in batches for one in each)
    everything = sorted(chain.from_iterable(chain.from_iterable(batches)))
    assert set(everything) == set(range(count))
    assert len(everything) < count + world


def test_sizes_are_mixed_anew_each_epoch() -> None:
    sampler = MultiScaleSampler(range(400), SCALES, 4)
    assert len(set(sampler.sizes(0))) == 4
    assert list(sampler.sizes(0)) != list(sampler.sizes(1))
    assert sorted(sampler.sizes(0)) == sorted(sampler.sizes(1))


def test_the_last_short_batch_can_be_dropped() -> None:
    sampler = MultiScaleSampler(range(10), [64], 4, drop_last=True)
    assert [len(batch) for batch in sampler.batches(0)] == [4, 4]


def test_batches_of_a_loader_have_their_sizes(tmp_path: Path) -> None:
    root = str(draw_folder(tmp_path / "f", 4, 5, seed=0))
    section = {
        "dataset": {"name": "FolderDataset", "image_root": root, "transform_ops": [{"ResizeImage": {"size": 64}}]},
        "sampler": {"name": "MultiScaleSampler", "scales": [32, 64], "first_bs": 8},
    }
    loader = build_loader(build_dataset(section["dataset"]), section)
    shapes = [tuple(batch.images.shape[2:]) for batch in loader.epoch(0)]
    assert shapes == [(height, width) for width, height in loader.sampler.sizes(0)]  # type: ignore[attr-defined]
    assert len(shapes) == len(loader)


def test_nothing_to_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="pictures, scales"):
        MultiScaleSampler([], [64], 4)
