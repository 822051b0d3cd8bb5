"""Embedded pictures with what is known of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.pictures import Picture


@dataclass(frozen=True)
class Pool:
    """Embeddings ``(N, dim) float32`` (unit length, if nothing else is said), their labels ``(N,)``, photos ``(N,)``
    that they were cut from, and, where all have one, their groups ``(N,)``: camera or unique id."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.str_]
    photos: NDArray[np.str_]
    groups: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, chosen: NDArray[Any]) -> "Pool":
        """The members chosen by index or mask."""
        groups = None if self.groups is None else self.groups[chosen]
        return Pool(self.vectors[chosen], self.labels[chosen], self.photos[chosen], groups)

    def join(self, other: "Pool") -> "Pool":
        """Both pools, this one first."""
        both = None
        if self.groups is not None and other.groups is not None:
            both = np.concatenate([self.groups, other.groups])
        return Pool(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.photos, other.photos]),
            both,
        )


def pool_of(pictures: Sequence[Picture], batches: Iterable[NDArray[np.float32]]) -> Pool:
    """The pool of pictures whose embeddings come in batches, in their order."""
    labels = np.array([picture.label for picture in pictures])
    photos = np.array([str(picture.path) for picture in pictures])
    groups = [getattr(picture, "group", None) for picture in pictures]
    known = None if None in groups or not groups else np.array(groups, np.str_)
    return Pool(np.concatenate(list(batches)), labels, photos, known)
