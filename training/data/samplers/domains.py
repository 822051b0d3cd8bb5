"""P x K batches with an equal part of every domain."""

from collections.abc import Iterator
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from training.data.samplers.base import SAMPLERS
from training.data.samplers.classes import Labels
from training.data.samplers.pk import PKSampler


@SAMPLERS.register()
class DomainShuffleBatchSampler:
    """Each batch has ``batch_size / domains`` pictures of every domain, ``num_instances`` of a class in that domain.

    A domain is a camera. An epoch has as many batches as the largest domain takes; the others begin anew.

    Args:
        labels: class number of each picture.
        domains: domain of each picture.
        batch_size: pictures of one rank's batch.
        num_instances: pictures of each class in it.
        camera_to_domain: taken for old configurations; True, there are no other domains.
        drop_last: count whole batches only (at least one).
        seed: of the draws.
        rank: of this process.
        world_size: number of processes.

    Raises:
        ValueError: if a parameter is not possible, or a batch has no room for a class of every domain.
    """

    def __init__(
        self,
        labels: Labels,
        domains: NDArray[np.int64],
        batch_size: int,
        num_instances: int,
        camera_to_domain: bool = True,
        drop_last: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        names = np.unique(domains)
        if not camera_to_domain:
            raise ValueError("DomainShuffleBatchSampler: cameras are the domains, so camera_to_domain is True")
        each = batch_size // len(names) // num_instances
        if each < 1:
            raise ValueError(
                f"DomainShuffleBatchSampler: a batch of {batch_size} has no room for {num_instances} pictures of each"
                f" of {len(names)} cameras: batch_size {len(names) * num_instances} is the least"
            )
        self._places = [np.flatnonzero(domains == name) for name in names]
        self._samplers = [
            PKSampler(
                np.asarray(labels, np.int64)[places],
                each * num_instances,
                num_instances,
                drop_last=drop_last,
                sample_method="id_avg_prob",
                seed=seed + number,
                rank=rank,
                world_size=world_size,
            )
            for number, places in enumerate(self._places)
        ]

    def __len__(self) -> int:
        return max(map(len, self._samplers))

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch, domain by domain."""
        streams = [islice(self._endless(sampler, epoch), len(self)) for sampler in self._samplers]
        for parts in zip(*streams, strict=True):
            yield [int(places[one]) for places, part in zip(self._places, parts, strict=True) for one in part]

    def _endless(self, sampler: PKSampler, epoch: int) -> Iterator[list[int]]:
        """Batches of a domain in an epoch, and in as many more as it takes."""
        passes = -(-len(self) // len(sampler))
        for number in count(epoch * passes):
            yield from sampler.batches(number)
