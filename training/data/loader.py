"""Batches for training: a data set and a sampler, read by worker processes."""

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.data.dataset import Item, PictureDataset, Place, UnreadablePicture
from training.data.samplers import BatchSampler
from training.data.samplers.base import sizes_of
from training.data.transforms.batch import BatchTransform


class Batch(NamedTuple):
    """``images`` (B, C, H, W) float32, ``labels`` (B,) int64, ``indices`` (B,) int64: positions in the data set.

    After a batch transform that mixes pictures, ``labels`` are shares of the classes, (B, classes) float32.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor


@dataclass
class InputMeter:
    """How fast pictures come, and how much of the time whoever takes them had to wait for them."""

    pictures: int = 0
    waited: float = 0.0
    elapsed: float = 0.0

    @property
    def rate(self) -> float:
        """Pictures per second of everything, training steps included."""
        return self.pictures / self.elapsed if self.elapsed else 0.0

    @property
    def waiting_share(self) -> float:
        """Share of the time spent waiting for pictures; near 0: the input is not what limits."""
        return self.waited / self.elapsed if self.elapsed else 0.0


class Loader:
    """Batches of each epoch, by ``workers`` processes (0: in this one).

    What comes depends on the seed of the data set, on the sampler and the epoch alone: not on the number of workers,
    and not on whether the epoch is begun in the middle.

    Args:
        dataset: the pictures and their transforms.
        sampler: which make a batch.
        workers: processes that decode and transform.
        pin_memory: put batches into page-locked memory, for a GPU.
        skip_unreadable: leave unreadable pictures out of their batch and count them in ``unreadable``, instead of
            ending with an error that names the file.
        prefetch: batches that each worker makes ahead.
        mix: transforms of whole batches, one after the other.
    """

    def __init__(
        self,
        dataset: PictureDataset,
        sampler: BatchSampler,
        workers: int = 0,
        pin_memory: bool = False,
        skip_unreadable: bool = False,
        prefetch: int = 2,
        mix: Sequence[BatchTransform] = (),
    ) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self.meter = InputMeter()
        self.unreadable: Counter[str] = Counter()
        self.pinned = pin_memory
        self._skip_unreadable, self._mix = skip_unreadable, tuple(mix)
        self._places = _Places(sampler)
        self._loader: DataLoader[Any] = DataLoader(
            _Items(dataset),
            batch_sampler=self._places,
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            prefetch_factor=prefetch if workers else None,
            worker_init_fn=_start_worker,
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch without the first ``skip``.

        Raises:
            UnreadablePicture: naming the file, unless ``skip_unreadable``; always if no picture of a batch is readable.
        """
        self._places.epoch, self._places.skip = number, skip
        asked = time.perf_counter()
        for position, (batch, problems) in enumerate(self._loader, skip):
            if problems and (batch is None or not self._skip_unreadable):
                raise UnreadablePicture(problems[0])
            self.unreadable.update(problems)
            self.meter.pictures += len(batch.indices)
            if self._mix:
                batch = self._mixed(batch, np.random.default_rng([self.dataset.seed, number, position]))
            came = time.perf_counter()
            yield batch
            taken, before = time.perf_counter(), asked
            self.meter.waited += came - before
            self.meter.elapsed += taken - before
            asked = taken

    def _mixed(self, batch: Batch, rng: np.random.Generator) -> Batch:
        images, labels = batch.images, batch.labels
        for transform in self._mix:
            images, labels = transform(images, labels, rng)
        return Batch(images, labels, batch.indices)


class _Made(NamedTuple):
    batch: Batch | None
    problems: list[str]


class _Places:
    """The batches of an epoch, as PyTorch's loader asks for them."""

    def __init__(self, sampler: BatchSampler) -> None:
        self._sampler = sampler
        self.epoch, self.skip = 0, 0

    def __iter__(self) -> Iterator[list[Place]]:
        return islice(self._all(self.epoch), self.skip, None)

    def _all(self, epoch: int) -> Iterator[list[Place]]:
        seen: Counter[int] = Counter()
        for batch, size in zip(self._sampler.batches(epoch), sizes_of(self._sampler, epoch), strict=False):
            places = []
            for index in batch:
                places.append(Place(epoch, index, seen[index], size))
                seen[index] += 1
            yield places


class _Items(Dataset[Item | str]):
    """Items by place; for an unreadable picture what is wrong, as errors lose their shape between processes."""

    def __init__(self, dataset: PictureDataset) -> None:
        self._dataset = dataset

    def __getitem__(self, place: Place) -> Item | str:
        try:
            return self._dataset.item(place)
        except UnreadablePicture as error:
            return str(error)


def _collate(items: Sequence[Item | str]) -> _Made:
    problems = [item for item in items if isinstance(item, str)]
    good = [item for item in items if not isinstance(item, str)]
    return _Made(stack(good) if good else None, problems)


def stack(items: Sequence[Item]) -> Batch:
    """One batch of items of one size."""
    return Batch(
        torch.stack([item["image"] for item in items]),
        torch.tensor([item["label"] for item in items], dtype=torch.int64),
        torch.tensor([item["index"] for item in items], dtype=torch.int64),
    )


def _start_worker(worker: int) -> None:
    # Every worker has one core: OpenCV's own threads would only stand in each other's way.
    cv2.setNumThreads(0)
    # What the parent made stays out of this process's garbage collections, which would copy its memory.
    gc.freeze()
