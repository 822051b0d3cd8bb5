"""What a vector index is. Kinds: ``flat``, and ``binary`` for hashing models."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]


class VectorIndex(Protocol):
    """Unit vectors under integer ids, searched by cosine. Not thread-safe: the owner locks."""

    @property
    def count(self) -> int:
        """Number of vectors."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Memory that vectors and ids take."""
        ...

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add ``(N, dim) float32`` unit vectors under ``(N,)`` ids that are not there yet (not checked)."""
        ...

    def remove(self, ids: Ids) -> int:
        """Remove vectors; ids that are not there are passed over. Returns how many went."""
        ...

    def search(self, queries: Vectors, k: int, exclude: Ids | None = None) -> tuple[Vectors, Ids]:
        """The ``k`` nearest of each of ``(Q, dim)`` queries, nearest first.

        Args:
            exclude: ids that are passed over.

        Returns:
            Similarities ``(Q, k)`` and ids ``(Q, k)``; id -1 where there are fewer than ``k``.
        """
        ...

    def save(self) -> dict[str, NDArray[Any]]:
        """Copies of the arrays from which ``load`` makes the index again."""
        ...

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make an index from what ``save`` gave.

        Raises:
            ValueError: if the arrays do not fit together.
        """
        ...

    @staticmethod
    def vectors(arrays: Mapping[str, NDArray[Any]]) -> Vectors:
        """The vectors ``(N, dim)`` in what ``save`` gave, in the order of its ids.

        Raises:
            ValueError: if they are missing or of another type.
        """
        ...
