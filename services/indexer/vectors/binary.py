"""Exact search over the bits of hashing models with faiss: an eighth of a byte per dimension."""

from collections.abc import Mapping
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from kenspeckle.bits import packed, similarity_of, unit_codes
from services.indexer.vectors.index import Ids, Vectors


class BinaryIndex:
    """A ``VectorIndex`` of codes (``kenspeckle.bits``): similarity is 1 - Hamming distance / dim.

    Args:
        dim: length of the codes, a multiple of 8.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._flat: Any = faiss.IndexBinaryFlat(dim)
        self._index = faiss.IndexBinaryIDMap(self._flat)

    @property
    def count(self) -> int:
        """Number of codes."""
        return int(self._index.ntotal)

    @property
    def memory_bytes(self) -> int:
        """Memory that bits and ids take."""
        return self.count * (self._dim // 8 + 8)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add ``(N, dim) float32`` codes under ``(N,)`` ids that are not there yet (not checked)."""
        self._index.add_with_ids(packed(vectors), np.ascontiguousarray(ids, np.int64))

    def remove(self, ids: Ids) -> int:
        """Remove codes; ids that are not there are passed over. Returns how many went."""
        return int(self._index.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(ids, np.int64))))

    def search(self, queries: Vectors, k: int, exclude: Ids | None = None) -> tuple[Vectors, Ids]:
        """See ``VectorIndex.search``."""
        params = None
        if exclude is not None and len(exclude):
            batch = faiss.IDSelectorBatch(np.ascontiguousarray(exclude, np.int64))
            params = faiss.SearchParameters()
            params.sel = faiss.IDSelectorNot(batch)
        distances, ids = self._index.search(packed(queries), k, params=params)
        return np.where(ids >= 0, similarity_of(distances, self._dim), np.float32(-1)), ids

    def save(self) -> dict[str, NDArray[Any]]:
        """Copies of ids ``(N,)`` and bits ``(N, dim / 8)``."""
        bits = faiss.vector_to_array(self._flat.xb).reshape(-1, self._dim // 8)
        return {"ids": faiss.vector_to_array(self._index.id_map), "bits": bits}

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make an index from what ``save`` gave.

        Raises:
            ValueError: if the arrays do not fit together.
        """
        ids, codes = arrays.get("ids"), cls.vectors(arrays)
        if ids is None or ids.dtype != np.int64 or ids.shape != (len(codes),):
            raise ValueError("there are not as many ids as codes")
        index = cls(codes.shape[1])
        index.add(ids, codes)
        return index

    @staticmethod
    def vectors(arrays: Mapping[str, NDArray[Any]]) -> Vectors:
        """See ``VectorIndex.vectors``."""
        bits = arrays.get("bits")
        if bits is None or bits.dtype != np.uint8 or bits.ndim != 2:
            raise ValueError("bits are missing or of another type")
        return unit_codes(bits)
