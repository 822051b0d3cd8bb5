"""Every picture once an epoch."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.data.samplers.base import SAMPLERS, generator, share_of


@SAMPLERS.register("DistributedBatchSampler", "BatchSampler")
class DistributedBatchSampler:
    """Every picture exactly once an epoch over all ranks, shuffled or in order.

    Without ``drop_last`` the last, short batch is kept. Every rank gets at least two pictures of it, as batch
    normalisation needs: they are taken from the batch before or, where that is too small itself, the two are joined.
    Only if there are fewer pictures than ranks are some repeated. With ``drop_last`` a short batch is left out, except
    if it is the only one.
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
        self._ends = batch_ends(self._count, batch_size, world_size, drop_last)

    def __len__(self) -> int:
        return len(self._ends)

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch: lists of positions."""
        order = epoch_order(self._count, self._shuffle, self._seed, epoch)
        for batch in cut(order, self._ends):
            yield share_of(batch, self._rank, self._world)


def epoch_order(count: int, shuffle: bool, seed: int, epoch: int) -> NDArray[np.int64]:
    """Positions of all pictures, shuffled or as they are."""
    return generator(seed, epoch).permutation(count) if shuffle else np.arange(count)


def cut(order: NDArray[np.int64], ends: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """The batches that end at ``ends``; where the order is too short for them, it begins anew."""
    order = np.resize(order, ends[-1])
    for start, end in pairwise([0, *ends]):
        yield order[start:end]


def batch_ends(count: int, batch_size: int, world_size: int, drop_last: bool) -> list[int]:
    """Where each batch of all ranks ends in the order of the epoch; see ``DistributedBatchSampler``.

    Raises:
        ValueError: without any picture, or if the batch size is not positive.
    """
    if count == 0 or batch_size < 1:
        raise ValueError(
            f"there are no pictures to sample from, or no batches: {count} pictures, batches of {batch_size}"
        )
    size = batch_size * world_size
    ends = [*range(size, count + 1, size)]
    short = count % size
    if short == 0 or (drop_last and ends):
        return ends
    fewest = min(2, batch_size) * world_size
    if short >= fewest or not ends:
        return [*ends, max(count, world_size)]
    if size - (fewest - short) >= fewest:
        return [*ends[:-1], count - fewest, count]
    return [*ends[:-1], count]
