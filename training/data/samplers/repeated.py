"""Repeated augmentation: several views of a picture in one batch."""

from collections.abc import Iterator

import numpy as np

from training.data.samplers.base import SAMPLERS
from training.data.samplers.classes import Labels
from training.data.samplers.plain import batch_ends, cut, epoch_order


@SAMPLERS.register("RASampler", "RepeatedAugSampler")
class RepeatedAugSampler:
    """Each picture ``num_repeats`` times side by side, every time in another view; an epoch is as long as a plain one.

    Copies of a picture go to different ranks: joined, their batches are those of one process in another order.
    Source: Hoffer et al., "Augment your batch", CVPR 2020.

    Args:
        labels: class number of each picture; only their number counts.
        batch_size: pictures of one rank's batch.
        num_repeats: how often a picture comes.
        selected_round: an epoch has as many pictures as the data, rounded down to a multiple of this; all of them where
            there are fewer.
        shuffle: another order every epoch.
        drop_last: leave out the last, short batch.
        seed: of the order.
        rank: of this process.
        world_size: number of processes.

    Raises:
        ValueError: if a parameter is not possible.
    """

    def __init__(
        self,
        labels: Labels,
        batch_size: int,
        num_repeats: int = 3,
        selected_round: int = 256,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if num_repeats < 1 or selected_round < 1:
            raise ValueError(f"RASampler: num_repeats {num_repeats} and selected_round {selected_round} are positive")
        self._count, self._repeats = len(labels), num_repeats
        self._shuffle, self._seed, self._rank, self._world = shuffle, seed, rank, world_size
        chosen = self._count // selected_round * selected_round or self._count
        self._ends = batch_ends(chosen, batch_size, world_size, drop_last)

    def __len__(self) -> int:
        return len(self._ends)

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch: lists of positions."""
        order = epoch_order(self._count, self._shuffle, self._seed, epoch)
        for batch in cut(np.repeat(order, self._repeats), self._ends):
            yield batch[self._rank :: self._world].tolist()
