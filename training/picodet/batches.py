"""Batches of augmented pictures: a pure function of seed, epoch, batch number and process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.picodet.augment import FILTERS, Augmentation, training_sample
from training.picodet.criterion import Truth
from training.picodet.data import IGNORED, Picture, Sample, load


class Batch(NamedTuple):
    """Pixels ``(N, size, size, 3) uint8`` and, per picture, boxes ``(G, 4)`` in pixels and labels ``(G,)``."""

    pixels: Tensor
    boxes: list[Tensor]
    labels: list[Tensor]

    def truths(self, device: torch.device) -> list[Truth]:
        """What the criterion wants, on ``device``."""
        found = []
        for boxes, labels in zip(self.boxes, self.labels, strict=True):
            boxes, labels = boxes.to(device), labels.to(device)
            objects = labels != IGNORED
            found.append(Truth(boxes[objects], labels[objects], boxes[~objects]))
        return found


@dataclass(frozen=True)
class Drawing:
    """Which pictures a run sees: each once an epoch in random order, or by the weights of their sources.

    Attributes:
        weights: how often a picture of each source is drawn, relative to the others (1 if not given).
        batch: pictures of a batch and process.
        per_epoch: batches of an epoch and process; None for one pass over the pictures.
    """

    pictures: Sequence[Picture]
    weights: Mapping[str, float]
    batch: int
    per_epoch: int | None
    seed: int
    processes: int = 1

    @property
    def batches(self) -> int:
        """Batches of an epoch and process; at least one, pictures are repeated if there are fewer than a batch."""
        return self.per_epoch or max(len(self.pictures) // (self.batch * self.processes), 1)

    def chances(self) -> NDArray[np.float64]:
        """Probability of each picture.

        Raises:
            ValueError: if the weights leave no picture.
        """
        chances = np.array([self.weights.get(picture.source, 1.0) for picture in self.pictures], np.float64)
        if chances.sum() <= 0:
            raise ValueError("weights: no picture is left; give some source a weight above 0")
        return np.asarray(chances / chances.sum())

    def order(self, epoch: int, process: int) -> NDArray[np.int64]:
        """Picture numbers ``(batches, batch)`` of an epoch for one of the processes."""
        rng = np.random.default_rng((self.seed, epoch))
        count = self.batches * self.batch * self.processes
        chances = self.chances()
        if np.ptp(chances) == 0:
            passes = -(-count // len(chances))
            numbers = np.concatenate([rng.permutation(len(chances)) for _ in range(passes)])[:count]
        else:
            numbers = rng.choice(len(chances), count, p=chances)
        return numbers.reshape(self.batches, self.processes, self.batch)[:, process]


class EpochBatches(Dataset[Batch]):
    """The batches of one epoch for one process, each made when it is asked for."""

    def __init__(
        self,
        drawing: Drawing,
        augment: Augmentation,
        sizes: Sequence[int],
        epoch: int,
        process: int,
        resampling: Sequence[str] = tuple(FILTERS),
    ) -> None:
        self.drawing, self.augment, self.sizes = drawing, augment, tuple(sizes)
        self.filters = [FILTERS[name] for name in resampling]
        self.epoch, self.process = epoch, process
        self.order, self.chances = drawing.order(epoch, process), drawing.chances()

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng((self.drawing.seed, self.epoch, number, self.process))
        size = int(rng.choice(self.sizes))
        resampling = self.filters[rng.integers(len(self.filters))]

        def draw() -> Sample:
            return load(self.drawing.pictures[rng.choice(len(self.chances), p=self.chances)])

        firsts = (load(self.drawing.pictures[index]) for index in self.order[number])
        samples = [training_sample(first, draw, self.augment, size, resampling, rng) for first in firsts]
        return Batch(
            torch.from_numpy(np.stack([np.asarray(sample.image) for sample in samples])),
            [torch.from_numpy(sample.boxes) for sample in samples],
            [torch.from_numpy(sample.labels) for sample in samples],
        )


def read_batches(batches: EpochBatches, first: int, workers: int) -> Iterator[Batch]:
    """The batches from number ``first`` on, made by ``workers`` processes (0: in this one)."""
    loader = DataLoader(batches, batch_size=None, sampler=range(first, len(batches)), num_workers=workers)
    yield from loader
