"""Exact search over all vectors with faiss."""

from collections.abc import Mapping
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from services.indexer.vectors.index import Ids, Vectors

# Of many queries at once faiss makes a matrix product, whose last digits differ; smaller portions keep the answer to
# a query the same whatever else is asked with it.
PORTION = 16


class FlatIndex:
    """A ``VectorIndex`` that compares each query with every vector.

    Args:
        dim: length of the vectors.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._flat = faiss.IndexFlatIP(dim)
        self._index = faiss.IndexIDMap(self._flat)

    @property
    def count(self) -> int:
        """Number of vectors."""
        return int(self._index.ntotal)

    @property
    def memory_bytes(self) -> int:
        """Memory that vectors and ids take."""
        return self.count * (self._dim * 4 + 8)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add ``(N, dim) float32`` unit vectors under ``(N,)`` ids that are not there yet (not checked)."""
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(ids, np.int64))

    def remove(self, ids: Ids) -> int:
        """Remove vectors; ids that are not there are passed over. Returns how many went."""
        return int(self._index.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(ids, np.int64))))

    def search(self, queries: Vectors, k: int, exclude: Ids | None = None) -> tuple[Vectors, Ids]:
        """See ``VectorIndex.search``."""
        params = None
        if exclude is not None and len(exclude):
            batch = faiss.IDSelectorBatch(np.ascontiguousarray(exclude, np.int64))
            params = faiss.SearchParameters()
            params.sel = faiss.IDSelectorNot(batch)
        queries = np.ascontiguousarray(queries, np.float32)
        similarities = np.empty((len(queries), k), np.float32)
        ids = np.empty((len(queries), k), np.int64)
        for start in range(0, len(queries), PORTION):
            part = slice(start, start + PORTION)
            similarities[part], ids[part] = self._index.search(queries[part], k, params=params)
        # Rounding makes the cosine of two equal vectors a little more than 1 at times.
        return np.minimum(similarities, np.float32(1)), ids

    def save(self) -> dict[str, NDArray[Any]]:
        """Copies of ids ``(N,)`` and vectors ``(N, dim)``."""
        ids = faiss.vector_to_array(self._index.id_map)
        flat = faiss.vector_to_array(self._flat.codes).view(np.float32)
        return {"ids": ids, "vectors": flat.reshape(-1, self._dim)}

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make an index from what ``save`` gave.

        Raises:
            ValueError: if the arrays do not fit together.
        """
        ids, vectors = arrays.get("ids"), cls.vectors(arrays)
        if ids is None or ids.dtype != np.int64 or ids.shape != (len(vectors),):
            raise ValueError("there are not as many ids as vectors")
        index = cls(vectors.shape[1])
        index.add(ids, vectors)
        return index

    @staticmethod
    def vectors(arrays: Mapping[str, NDArray[Any]]) -> Vectors:
        """See ``VectorIndex.vectors``."""
        vectors = arrays.get("vectors")
        if vectors is None or vectors.dtype != np.float32 or vectors.ndim != 2:
            raise ValueError("vectors are missing or of another type")
        return vectors
