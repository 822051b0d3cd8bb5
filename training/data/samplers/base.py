"""What a sampler is."""

from collections.abc import Iterator
from itertools import repeat
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from training.registry import Registry


class BatchSampler(Protocol):
    """Indices of each batch of one rank.

    ``batches`` is a pure function of the seed, epoch, rank and world size: to go on after n batches, skip n. Joining
    the ranks' n-th batches in order of rank gives the n-th batch that one process with a world-size times larger batch
    would have had (the last ones apart, which are evened out over the ranks). ``len`` is the exact number of batches,
    the same on every rank and in every epoch.
    """

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch, each a list of positions in the data set."""
        ...

    def __len__(self) -> int: ...


SAMPLERS: Registry[BatchSampler] = Registry("sampler")
"""Factories take ``labels`` (class number of each picture), their parameters, ``seed``, ``rank``, ``world_size``; those
that have a parameter ``domains`` also the number of each picture's camera."""

SAMPLERS.decline(
    "merge the sets with the command data merge; PKSampler's id_list and ratio draw from some of them more often",
    "MixSampler",
)
SAMPLERS.decline("Global.iter_per_epoch gives any sampler that many batches", "DistributedGivenIterationSampler")


def generator(seed: int, epoch: int, *more: int) -> np.random.Generator:
    """The random numbers of an epoch."""
    return np.random.default_rng([seed, epoch, *more])


def share_of(batch: NDArray[np.int64], rank: int, world_size: int) -> list[int]:
    """This rank's part of a batch of all ranks: consecutive, at most one longer than another rank's."""
    part: list[int] = np.array_split(batch, world_size)[rank].tolist()
    return part


@runtime_checkable
class SizedBatches(Protocol):
    """A sampler that also chooses the size of each batch's images."""

    def sizes(self, epoch: int) -> Iterator[tuple[int, int]]:
        """(width, height) of each batch of the epoch."""
        ...


def sizes_of(sampler: BatchSampler, epoch: int) -> Iterator[tuple[int, int] | None]:
    """The size of each batch of an epoch, None without end where the sampler leaves it to the transforms."""
    return iter(sampler.sizes(epoch)) if isinstance(sampler, SizedBatches) else repeat(None)
