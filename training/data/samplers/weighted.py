"""Pictures drawn by the size of their class."""

from collections.abc import Iterator

import numpy as np

from training.data.samplers.base import SAMPLERS, generator, share_of
from training.data.samplers.classes import Labels
from training.data.samplers.plain import batch_ends


@SAMPLERS.register()
class ClassWeightedSampler:
    """Draws pictures with replacement, with probability proportional to ``count of their class ** -power``.

    ``power`` 1 makes all classes alike, 0 all pictures; 0.5 is the square-root rule in between. An epoch has as many
    pictures as the data.

    Raises:
        ValueError: if there are no pictures.
    """

    def __init__(
        self,
        labels: Labels,
        batch_size: int,
        power: float = 1.0,
        drop_last: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._ends = batch_ends(len(labels), batch_size, world_size, drop_last)
        _, inverse = np.unique(np.asarray(labels), return_inverse=True)
        weights = np.bincount(inverse)[inverse] ** -float(power)
        self.probabilities = weights / weights.sum()
        self._seed, self._rank, self._world = seed, rank, world_size

    def __len__(self) -> int:
        return len(self._ends)

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch: lists of positions."""
        drawn = generator(self._seed, epoch).choice(len(self.probabilities), self._ends[-1], p=self.probabilities)
        for start, end in zip([0, *self._ends[:-1]], self._ends, strict=True):
            yield share_of(drawn[start:end], self._rank, self._world)
