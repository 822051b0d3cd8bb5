"""P classes with K pictures each, in a pass over the data."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training.data.samplers.base import SAMPLERS, generator, share_of
from training.data.samplers.classes import Labels, fill, positions_of_classes, shape_for


@SAMPLERS.register("DistributedRandomIdentitySampler", "NaiveIdentityBatchSampler")
class DistributedRandomIdentitySampler:
    """Each class's shuffled pictures are cut into groups of ``num_instances``; a batch has groups of different classes.

    A class with fewer pictures repeats some of them. Which groups meet in a batch is drawn anew every epoch; how many
    batches there are is known before and is the most that different classes allow. Unlike the sampler of this name
    elsewhere, it shares batches out over ranks.

    Args:
        labels: class number of each picture.
        batch_size: pictures of one rank's batch.
        num_instances: pictures of a group.
        drop_last: only whole groups and full batches. Without it, every picture comes, the last group of a class is
            filled by repeating, and batches are a little smaller where groups do not fill them. A class with very
            many pictures still leaves some out, so that no batch is of one class.
        max_iters: so many batches instead: one pass after the other.
        shuffle: taken for old configurations; the order is always random.
        seed: of the draws.
        rank: of this process.
        world_size: number of processes; their batches of one step have no class in common.

    Raises:
        ValueError: if a parameter is not possible.
    """

    def __init__(
        self,
        labels: Labels,
        batch_size: int,
        num_instances: int,
        drop_last: bool = False,
        max_iters: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._classes = positions_of_classes(labels)
        count = len(self._classes)
        shape = shape_for(batch_size, num_instances, count, world_size, "DistributedRandomIdentitySampler")
        self._each, self._room = shape.each, shape.classes * world_size
        self._seed, self._rank, self._world, self._iterations = seed, rank, world_size, max_iters
        sizes = np.array([len(positions) for positions in self._classes])
        self._groups = np.maximum(1, sizes // self._each) if drop_last else -(-sizes // self._each)
        fewest = self._room if drop_last else world_size * min(2, count // world_size)
        self._pass = batches_of_groups(self._groups, fewest, self._room)

    def __len__(self) -> int:
        return self._pass if self._iterations is None else self._iterations

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch; pictures of one class stand side by side."""
        for done in range(0, len(self), self._pass):
            rng = generator(self._seed, epoch, done // self._pass)
            pictures = self._cut(rng)
            for groups in self._deal(rng)[: len(self) - done]:
                yield pictures[share_of(groups, self._rank, self._world)].ravel().tolist()

    def _cut(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Pictures of each group, ``(groups, num_instances)``, class by class."""
        needed = zip(self._classes, self._groups * self._each, strict=True)
        return np.concatenate([fill(positions, count, rng) for positions, count in needed]).reshape(-1, self._each)

    def _deal(self, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Numbers of the groups of each batch of a pass."""
        owners = np.repeat(np.arange(len(self._classes)), self._groups)
        shuffled = np.lexsort((rng.random(len(owners)), owners))
        place = np.arange(len(owners)) - np.repeat(np.cumsum(self._groups) - self._groups, self._groups)
        kept = shuffled[place < self._pass]
        kept = np.sort(rng.permutation(kept)[: self._room * self._pass])
        return deal(kept, owners[kept], self._pass, rng)


def batches_of_groups(groups: NDArray[np.int64], fewest: int, room: int) -> int:
    """How many batches of at least ``fewest`` and at most ``room`` groups of different classes can be made, at least 1.

    ``n`` batches of ``fewest`` are possible if and only if ``sum(min(groups, n)) >= fewest * n``: no class can be in
    more than ``n``. Of those, as many are made as all groups need.
    """
    most, beyond = 1, max(1, int(groups.sum()) // fewest) + 1
    while beyond - most > 1:
        middle = (most + beyond) // 2
        possible = np.minimum(groups, middle).sum() >= fewest * middle
        most, beyond = (middle, beyond) if possible else (most, middle)
    needed = max(int(groups.max()), -(-int(groups.sum()) // room))
    return min(most, needed)


def deal(
    numbers: NDArray[np.int64], owners: NDArray[np.int64], batches: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Deal groups into batches of sizes that differ by one at most, never two of one class into one batch.

    Groups of a class are laid side by side (classes in random order) and dealt round: as no class has more groups than
    there are batches, they fall into different ones (McNaughton's wrap-around rule, 1959).
    """
    classes = rng.permutation(int(owners.max()) + 1)
    order = np.argsort(classes[owners], kind="stable")
    dealt = [rng.permutation(numbers[order[start::batches]]) for start in range(batches)]
    return [dealt[number] for number in rng.permutation(batches)]
