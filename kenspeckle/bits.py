"""Embeddings of hashing models: packed bits in files and indexes, codes of unit length everywhere else.

A code has +1/sqrt(dim) for a set bit and -1/sqrt(dim) for another one, so that it travels, is stored and is checked
like any embedding. Similarity is the share of equal bits, 1 - Hamming distance / dim.
"""

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]
Codes = NDArray[np.float32]


def unit_codes(bits: Bits) -> Codes:
    """Codes ``(N, 8 x bytes) float32`` of packed bits ``(N, bytes)``, most significant bit first."""
    signs = np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1
    return np.asarray(signs / np.float32(np.sqrt(max(1, signs.shape[1]))), np.float32)


def are_codes(vectors: Codes, tolerance: float = 0.0) -> NDArray[np.bool_]:
    """Which rows of ``(N, dim)`` are codes: all numbers ±1/sqrt(dim), within ``tolerance`` of that size."""
    dim = vectors.shape[1]
    if dim % 8:
        return np.zeros(len(vectors), np.bool_)
    size = np.float32(1) / np.float32(np.sqrt(max(1, dim)))
    return np.asarray((np.abs(np.abs(vectors) - size) <= tolerance * size).all(axis=1))


def packed(codes: Codes) -> Bits:
    """Bits ``(N, dim / 8)`` of codes ``(N, dim)``: 1 where they are positive."""
    return np.packbits(codes > 0, axis=1)


def bit_similarities(first: Codes, second: Codes) -> NDArray[np.float32]:
    """Shares of equal bits ``(N, M)`` of codes ``(N, dim)`` and ``(M, dim)``; equal distances give equal values."""
    dim = first.shape[1]
    return similarity_of(np.rint((1 - first @ second.T) * (dim / 2)), dim)


def similarity_of(distances: NDArray[np.number], dim: int) -> NDArray[np.float32]:
    """1 - Hamming distance / dim."""
    return np.asarray(1 - distances.astype(np.float64) / dim, np.float32)
