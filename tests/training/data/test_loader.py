from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.dataset import PictureCache, PictureDataset, Place, UnreadablePicture
from training.data.labels import LabelledSet, labelled_set
from training.data.loader import Batch, Loader
from training.data.pictures import Picture
from training.data.samplers import DistributedBatchSampler
from training.data.transforms import TRANSFORMS, Pixels


@TRANSFORMS.register("TestNoise")
class Noise:
    """Adds random numbers, so that tests see which generator an item got."""

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return image.astype(np.float32) + rng.random(image.shape, np.float32)


OPS = [{"ResizeImage": {"size": 8}}, {"TestNoise": None}]


@pytest.fixture
def pictures(tmp_path: Path) -> LabelledSet:
    rng = np.random.default_rng(0)
    made = []
    for number in range(10):
        path = tmp_path / f"a picture {number}.png"
        Image.fromarray(rng.integers(0, 256, (12, 10 + number, 3), dtype=np.uint8)).save(path)
        made.append(Picture(path, str(number % 3), group=f"c{number}"))
    return labelled_set(made)


def loader(pictures: LabelledSet, workers: int = 0, **options: bool) -> Loader:
    dataset = PictureDataset(pictures, OPS, seed=5)
    sampler = DistributedBatchSampler(dataset.labels, 4, shuffle=True, seed=5)
    return Loader(dataset, sampler, workers, **options)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_an_item_has_the_picture_its_label_and_its_group(pictures: LabelledSet) -> None:
    item = PictureDataset(pictures, [{"ResizeImage": {"size": [9, 7]}}])[4]
    assert item["image"].shape == (3, 7, 9)
    assert item["image"].dtype == torch.float32
    assert (item["label"], item["index"], item["group"]) == (1, 4, "c4")


def test_an_epoch_has_every_picture_with_its_label(pictures: LabelledSet) -> None:
    made = loader(pictures)
    batches = list(made.epoch(0))
    assert len(batches) == len(made) == 3
    assert batches[0].images.shape == (4, 3, 8, 8)
    indices = torch.cat([batch.indices for batch in batches])
    assert sorted(indices.tolist()) == list(range(10))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), torch.from_numpy(pictures.labels)[indices])


def test_neither_workers_nor_a_resumed_epoch_change_a_batch(pictures: LabelledSet) -> None:
    whole = list(loader(pictures).epoch(2))
    assert same(list(loader(pictures, workers=2).epoch(2)), whole)
    assert same(list(loader(pictures).epoch(2, skip=1)), whole[1:])
    assert not same(list(loader(pictures).epoch(3)), whole)


def test_workers_serve_epoch_after_epoch(pictures: LabelledSet) -> None:
    made = loader(pictures, workers=1)
    first = list(made.epoch(0))
    assert same(list(made.epoch(1, skip=1)), list(loader(pictures).epoch(1))[1:])
    assert same(list(made.epoch(0)), first)


def test_an_epoch_left_in_the_middle_does_not_disturb_the_next(pictures: LabelledSet) -> None:
    made = loader(pictures, workers=2)
    next(made.epoch(0))
    assert same(list(made.epoch(1)), list(loader(pictures).epoch(1)))


def test_a_repeated_picture_gets_another_view(pictures: LabelledSet) -> None:
    class Twice:
        def batches(self, epoch: int):  # type: ignore[no-untyped-def]
            yield [1, 1]
            yield [1, 2]

        def __len__(self) -> int:
            return 2

    first, second = Loader(PictureDataset(pictures, OPS, seed=5), Twice()).epoch(0)
    views = [first.images[0], first.images[1], second.images[0]]
    assert not any(torch.equal(views[a], views[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    (resumed,) = Loader(PictureDataset(pictures, OPS, seed=5), Twice()).epoch(0, skip=1)
    assert torch.equal(resumed.images, second.images)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_picture_is_an_error_that_names_the_file(pictures: LabelledSet, workers: int) -> None:
    pictures.pictures[3].path.write_bytes(b"no picture")
    with pytest.raises(UnreadablePicture, match=r"^/.*a picture 3\.png: cannot be read"):
        list(loader(pictures, workers).epoch(0))


def test_unreadable_pictures_are_left_out_and_counted_if_asked(pictures: LabelledSet) -> None:
    pictures.pictures[3].path.unlink()
    made = loader(pictures, skip_unreadable=True)
    indices = torch.cat([batch.indices for batch in made.epoch(0)])
    assert sorted(indices.tolist()) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    ((problem, count),) = made.unreadable.items()
    assert "a picture 3.png" in problem
    assert count == 1


def test_the_meter_counts_pictures_and_time(pictures: LabelledSet) -> None:
    made = loader(pictures)
    list(made.epoch(0))
    assert made.meter.pictures == 10
    assert 0 < made.meter.waiting_share <= 1
    assert made.meter.rate > 0


def test_a_box_is_cut_out_and_one_outside_is_an_error(pictures: LabelledSet) -> None:
    path = pictures.pictures[0].path
    whole = np.asarray(Image.open(path))
    boxed = labelled_set([Picture(path, "0", (2, 3, 6, 8)), Picture(path, "0", (20, 3, 26, 8))])
    dataset = PictureDataset(boxed, [])
    assert np.array_equal(dataset.pixels(0), whole[3:8, 2:6])
    with pytest.raises(UnreadablePicture, match=r"picture 0\.png.*box .* lies outside"):
        dataset.pixels(1)


def test_a_cache_keeps_pixels_until_the_file_changes(pictures: LabelledSet, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "cache")
    dataset = PictureDataset(pictures, [], cache=cache)
    fresh = dataset.pixels(0)
    kept = cache.path_of(str(pictures.pictures[0].path))
    assert np.array_equal(np.load(kept), fresh)
    np.save(kept, fresh[::-1])
    assert np.array_equal(dataset.pixels(0), fresh[::-1])
    kept.write_bytes(b"cut off")
    assert np.array_equal(dataset.pixels(0), fresh)
    Image.fromarray(fresh[:4]).save(pictures.pictures[0].path)
    assert np.array_equal(dataset.pixels(0), fresh[:4])


def test_a_cache_of_smaller_pictures_keeps_their_shape(pictures: LabelledSet, tmp_path: Path) -> None:
    dataset = PictureDataset(pictures, [], cache=PictureCache(tmp_path / "cache", short_side=6))
    assert dataset.pixels(8).shape == (6, 9, 3)
    assert dataset.pixels(8).shape == (6, 9, 3)


def test_a_place_with_a_size_replaces_the_sizes_of_the_chain(pictures: LabelledSet) -> None:
    assert PictureDataset(pictures, OPS).item(Place(0, 1, size=(5, 6)))["image"].shape == (3, 6, 5)
