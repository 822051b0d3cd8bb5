"""Batches of images of several sizes."""

from collections.abc import Iterator, Sequence

import numpy as np

from training.data.samplers.base import SAMPLERS, generator, share_of
from training.data.samplers.classes import Labels


@SAMPLERS.register()
class MultiScaleSampler:
    """Every picture once an epoch; each batch has one of several image sizes, and more pictures the smaller they are.

    Args:
        labels: class number of each picture; only their number counts.
        scales: sides of squares, or [width, height] each.
        first_bs: pictures of one rank's batch at the first scale; at others in inverse proportion to the area.
        divided_factor: sizes are rounded to multiples of it.
        is_training: use all scales, else the first.
        shuffle: order and sizes differ from epoch to epoch.
        drop_last: leave out the last, short batch.
        seed: of order and sizes.
        rank: of this process.
        world_size: number of processes; all have the same size at one step. A last batch of fewer than two pictures
            each is joined with the one before; only if there are fewer pictures than processes are some repeated.

    Raises:
        ValueError: if a parameter is not possible.
    """

    def __init__(
        self,
        labels: Labels,
        scales: Sequence[int | Sequence[int]],
        first_bs: int,
        divided_factor: int = 32,
        is_training: bool = True,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not len(labels) or not scales or first_bs < 1:
            raise ValueError("MultiScaleSampler: pictures, scales and a positive first_bs are needed")
        sides = [(scale, scale) if isinstance(scale, int) else (scale[0], scale[1]) for scale in scales]
        sides = [(_rounded(width, divided_factor), _rounded(height, divided_factor)) for width, height in sides]
        area = sides[0][0] * sides[0][1] * first_bs
        self.pairs = [(w, h, max(1, round(area / (w * h)))) for w, h in (sides if is_training else sides[:1])]
        self._count, self._shuffle = len(labels), shuffle
        self._seed, self._rank, self._world = seed, rank, world_size
        self._drop_last = drop_last
        self._plan = self._planned()

    def __len__(self) -> int:
        return len(self._plan)

    def sizes(self, epoch: int) -> Iterator[tuple[int, int]]:
        """(width, height) of each batch of the epoch."""
        return ((width, height) for width, height, _ in self._order(epoch))

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch: lists of positions."""
        pictures = np.arange(self._count)
        if self._shuffle:
            pictures = generator(self._seed, epoch, 1).permutation(pictures)
        order, start = self._order(epoch), 0
        for position, (_, _, count) in enumerate(order, 1):
            rest = position == len(order) and not self._drop_last
            batch = pictures[start : None if rest else start + count * self._world]
            start += count * self._world
            yield share_of(np.resize(batch, max(len(batch), self._world)), self._rank, self._world)

    def _planned(self) -> list[tuple[int, int, int]]:
        """The scale of each batch in epoch 0: drawn until all pictures are used."""
        rng, plan, left = generator(self._seed, 0, 2), [], self._count
        while left > 0:
            plan.append(self.pairs[rng.integers(len(self.pairs))])
            left -= plan[-1][2] * self._world
        last = left + plan[-1][2] * self._world
        spare = left < 0 if self._drop_last else last < 2 * self._world
        return plan[:-1] if spare and len(plan) > 1 else plan

    def _order(self, epoch: int) -> list[tuple[int, int, int]]:
        """The plan in this epoch's order. The last stays last: it is the one that may be short."""
        if not self._shuffle:
            return self._plan
        order = generator(self._seed, epoch, 3).permutation(len(self._plan) - 1)
        return [*(self._plan[number] for number in order), self._plan[-1]]


def _rounded(side: int, factor: int) -> int:
    return max(factor, round(side / factor) * factor)
