"""P classes with K pictures each, drawn anew for every batch."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.samplers.base import SAMPLERS, generator, share_of
from training.data.samplers.classes import Labels, fill, positions_of_classes, shape_for

Method = Literal["sample_avg_prob", "id_avg_prob"]


@SAMPLERS.register()
class PKSampler:
    """Each batch draws ``batch_size / sample_per_id`` different classes, then ``sample_per_id`` pictures of each.

    An epoch has as many batches as a pass over the data would, yet is no pass: a picture may come never or repeatedly.
    Pictures of a class repeat within a batch only if it has fewer than ``sample_per_id``. Data with too few classes
    get smaller batches, with a warning.

    Args:
        labels: class number of each picture.
        batch_size: pictures of one rank's batch.
        sample_per_id: pictures of each class in it.
        shuffle: draw anew every epoch, else as in epoch 0.
        drop_last: count whole batches only (at least one).
        id_list: pairs start, end (inclusive) of positions of classes in order of first appearance.
        ratio: for each pair, what the probability of its classes is multiplied by.
        sample_method: draw a class by its share of the pictures (sample_avg_prob), or all alike (id_avg_prob).
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
        sample_per_id: int,
        shuffle: bool = True,
        drop_last: bool = True,
        id_list: Sequence[int] | None = None,
        ratio: Sequence[float] | None = None,
        sample_method: Method = "sample_avg_prob",
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._classes = positions_of_classes(labels)
        self.probabilities = class_probabilities([len(c) for c in self._classes], sample_method, id_list, ratio)
        drawable = int(np.count_nonzero(self.probabilities))
        self._shape = shape_for(batch_size, sample_per_id, drawable, world_size, "PKSampler")
        whole, rest = divmod(len(labels), self._shape.size * world_size)
        self._length = max(1, whole) if drop_last or not rest else whole + 1
        self._shuffle, self._seed, self._rank, self._world = shuffle, seed, rank, world_size

    def __len__(self) -> int:
        return self._length

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of an epoch; pictures of one class stand side by side."""
        rng = generator(self._seed, epoch if self._shuffle else 0)
        classes, each = self._shape.classes * self._world, self._shape.each
        for _ in range(self._length):
            chosen = rng.choice(len(self._classes), classes, replace=False, p=self.probabilities)
            batch = np.concatenate([fill(self._classes[number], each, rng) for number in chosen])
            yield share_of(batch, self._rank, self._world)


def class_probabilities(
    counts: Sequence[int], method: Method, id_list: Sequence[int] | None, ratio: Sequence[float] | None
) -> NDArray[np.float64]:
    """Probability of each class to be drawn first; see ``PKSampler``."""
    if method not in ("sample_avg_prob", "id_avg_prob"):
        raise ValueError(f"PKSampler: sample_method is sample_avg_prob or id_avg_prob, got {method!r}")
    weights = np.array(counts, np.float64) if method == "sample_avg_prob" else np.ones(len(counts))
    bounds, ratios = list(id_list or []), list(ratio or [])
    if len(bounds) != 2 * len(ratios):
        raise ValueError(f"PKSampler: id_list needs a start and an end for each of {len(ratios)} ratios, got {bounds}")
    for start, end, factor in zip(bounds[::2], bounds[1::2], ratios, strict=True):
        if not 0 <= start <= end < len(counts) or factor < 0:
            raise ValueError(
                f"PKSampler: id_list {start}..{end} (times {factor}) does not fit {len(counts)} classes; "
                "the numbers are positions of classes in the list; leave out id_list and ratio for other data"
            )
        weights[start : end + 1] *= factor
    return np.asarray(weights / weights.sum())
