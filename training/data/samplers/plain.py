"""Every picture once an epoch."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.samplers.base import SAMPLERS, generator, share_of


@SAMPLERS.register("DistributedBatchSampler", "BatchSampler")
class DistributedBatchSampler:
    """Every picture exactly once an epoch over all ranks, shuffled or in order.

    Without ``drop_last`` the last, short batch is kept. Every rank needs a picture for it: where it has fewer pictures
    than there are ranks, it takes some from the batch before; only if there are fewer pictures than ranks and batches
    need are some repeated. With ``drop_last`` a short batch is left out, except if it is the only one.
    """

    def __init__(
        self,
        labels: Sequence[int] | NDArray[np.int64],
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._count = len(labels)
        self._shuffle, self._seed, self._rank, self._world = shuffle, seed, rank, world_size
        self._ends = batch_ends(self._count, batch_size * world_size, world_size, drop_last)

    def __len__(self) -> int:
        return len(self._ends)

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch: lists of positions."""
        order = np.arange(self._count)
        if self._shuffle:
            order = generator(self._seed, epoch).permutation(order)
        order = np.resize(order, max(self._ends[-1:], default=0)) if self._ends[-1:] > [self._count] else order
        for start, end in zip([0, *self._ends[:-1]], self._ends, strict=True):
            yield share_of(order[start:end], self._rank, self._world)


def batch_ends(count: int, size: int, world_size: int, drop_last: bool) -> list[int]:
    """Where each batch of all ranks ends in the order of the epoch; each has at least ``world_size`` pictures."""
    if count == 0:
        raise ValueError("there are no pictures to sample from")
    ends = [*range(size, count + 1, size)]
    if count % size == 0 or (drop_last and ends):
        return ends
    missing = world_size - count % size
    if missing > 0:
        if ends and size - missing >= world_size:
            ends[-1] -= missing
        else:
            count += missing
    return [*ends, count]
