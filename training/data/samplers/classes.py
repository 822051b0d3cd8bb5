"""What samplers of classes times pictures share."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """A batch of one rank: ``classes`` different classes with ``each`` pictures."""

    classes: int
    each: int

    @property
    def size(self) -> int:
        """Pictures of a batch."""
        return self.classes * self.each


def positions_of_classes(labels: Labels) -> list[NDArray[np.int64]]:
    """Positions of each class's pictures; classes in order of first appearance.

    Raises:
        ValueError: without any picture.
    """
    numbers = np.asarray(labels, np.int64)
    if not len(numbers):
        raise ValueError("there are no pictures to sample from")
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    grouped = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    return [grouped[number] for number in np.argsort(first)]


def shape_for(batch_size: int, each: int, classes: int, world_size: int, sampler: str) -> Shape:
    """The batch that was asked for, or the nearest one that the data allow, with a warning.

    Classes differ over all ranks, so that ``world_size`` batches need as many times more classes.

    Raises:
        ValueError: if a size is not positive, or there are fewer classes than ranks.
    """
    if batch_size < 1 or each < 1:
        raise ValueError(f"{sampler}: batch size {batch_size} and {each} pictures per class must be positive")
    if classes < world_size:
        raise ValueError(f"{sampler}: {classes} classes are fewer than {world_size} processes; use fewer processes")
    shape = Shape(max(1, batch_size // each), min(each, batch_size))
    shape = Shape(min(shape.classes, classes // world_size), shape.each)
    if shape.size != batch_size:
        warnings.warn(
            f"{sampler}: a batch of {batch_size} with {each} pictures per class is not possible with {classes} classes "
            f"in {world_size} process(es): batches have {shape.classes} classes x {shape.each} pictures = {shape.size}",
            stacklevel=3,
        )
    return shape


def fill(positions: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` of the positions at random; each as often as any other, or once more."""
    return np.resize(rng.permutation(positions), count)
