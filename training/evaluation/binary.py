"""Binary codes of features, as hashing models are evaluated and deployed."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Binarisation = Literal["sign", "round"]
THRESHOLDS: dict[Binarisation, float] = {"sign": 0.0, "round": 0.5}


def binary_codes(features: NDArray[np.floating], method: Binarisation) -> NDArray[np.float32]:
    """Codes of -1 and 1 ``(N, dim)``: 1 where a feature is above 0 (``sign``) or above a half (``round``).

    Their inner product is dim - 2 x Hamming distance.
    """
    return np.where(features > THRESHOLDS[method], np.float32(1), np.float32(-1))


def packed_bits(features: NDArray[np.floating], method: Binarisation) -> NDArray[np.uint8]:
    """The same as bits ``(N, ceil(dim / 8))``, eight in a byte, the first one most significant."""
    return np.packbits(features > THRESHOLDS[method], axis=1)


def hamming_distances(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number of different bits ``(N, M)`` of packed bits ``(N, bytes)`` and ``(M, bytes)``."""
    counts: NDArray[Any] = np.bitwise_count(first[:, None] ^ second[None])
    return np.asarray(counts.sum(axis=2), np.int64)
