"""How much each unrelated thing looks like something in a gallery, kept up to date with every change.

m_i = the best similarity of cohort member i to the labelled
references of the gallery (``kenspeckle.decision.p_values`` turns them into p). Negatives of the gallery are members
too: they are known not to be what the labelled references show.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenspeckle.decision import LeaveOut, p_values, standing
from services.indexer.vectors.index import Ids, VectorIndex, Vectors

# Cosine of nothing: lower than any similarity, so that a gallery without labelled references is like nothing.
NOTHING = np.float32(-2)
# References that are compared with the cohort at once: bounds the product to cohort size x this many floats.
PORTION = 2048

Similarities = Callable[[Vectors, Vectors], Vectors]


def cosines(first: Vectors, second: Vectors) -> Vectors:
    """Similarities of unit vectors."""
    return np.asarray(first @ second.T, np.float32)


class CohortMaxima:
    """m_i of every member, with the reference that gives it.

    Args:
        cohort: ``(N, dim) float32`` unit vectors.
        similarities: ``(N, M)`` of ``(N, dim)`` and ``(M, dim)``, the same that the gallery's index gives.
        leave_out: when members do not count; None if they always do. Negatives always do.
    """

    def __init__(
        self, cohort: Vectors, similarities: Similarities = cosines, leave_out: LeaveOut | None = None
    ) -> None:
        self._leave_out = leave_out
        self._similarities = similarities
        self._fixed = len(cohort)
        self._members = np.ascontiguousarray(cohort, np.float32)
        self._negatives: Ids = np.empty(0, np.int64)
        self._maxima: Vectors = np.full(len(cohort), NOTHING, np.float32)
        self._nearest: Ids = np.full(len(cohort), -1, np.int64)

    @property
    def size(self) -> int:
        """Number of members that count, negatives included."""
        return len(self._counted())

    @property
    def negatives(self) -> Ids:
        """References of negatives, which are no part of what the maxima are taken over."""
        return self._negatives

    @property
    def maxima(self) -> Vectors:
        """m_i of all members, ``(N,) float32``."""
        return self._maxima

    def p_values(self, similarities: Vectors) -> NDArray[np.float64]:
        """p of each of ``(Q,)`` similarities to the nearest labelled reference."""
        return p_values(similarities, self._counted())

    def _counted(self) -> Vectors:
        """m_i of the members that count: without those that show what the gallery holds."""
        if self._leave_out is None:
            return self._maxima
        fixed = self._maxima[: self._fixed]
        return np.concatenate([fixed[standing(fixed, self._leave_out)], self._maxima[self._fixed :]])

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Take labelled references in."""
        for start in range(0, len(ids), PORTION):
            similarities = self._similarities(self._members, vectors[start : start + PORTION])
            best = similarities.argmax(axis=1)
            values = similarities[np.arange(len(best)), best]
            higher = values > self._maxima
            self._maxima[higher] = values[higher]
            self._nearest[higher] = ids[start + best[higher]]

    def remove(self, ids: Ids, index: VectorIndex) -> None:
        """Leave labelled references out; ``index`` no longer holds them."""
        self._renew(np.isin(self._nearest, ids), index)

    def add_negatives(self, ids: Ids, vectors: Vectors, index: VectorIndex) -> None:
        """Make members of negatives; ``index`` already holds them."""
        self._members = np.concatenate([self._members, vectors.astype(np.float32)])
        self._negatives = np.concatenate([self._negatives, ids])
        self._maxima = np.concatenate([self._maxima, np.full(len(ids), NOTHING, np.float32)])
        self._nearest = np.concatenate([self._nearest, np.full(len(ids), -1, np.int64)])
        added = np.zeros(len(self._members), np.bool_)
        added[-len(ids) :] = True
        self._renew(added, index)

    def remove_negatives(self, ids: Ids) -> None:
        """Negatives that are members no more."""
        stay = np.concatenate([np.ones(self._fixed, np.bool_), ~np.isin(self._negatives, ids)])
        self._negatives = self._negatives[stay[self._fixed :]]
        self._members, self._maxima, self._nearest = self._members[stay], self._maxima[stay], self._nearest[stay]

    def save(self) -> dict[str, NDArray[Any]]:
        """The maxima of the bundle's cohort, for a generation."""
        fixed = slice(self._fixed)
        return {
            "maxima": self._maxima[fixed].copy(),
            "nearest": self._nearest[fixed].copy(),
            "cohort": _digest(self._members[fixed]),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Take over what ``save`` gave, if it belongs to this cohort. Returns whether it did."""
        maxima, nearest, digest = arrays.get("maxima"), arrays.get("nearest"), arrays.get("cohort")
        if maxima is None or nearest is None or digest is None:
            return False
        fits = maxima.shape == nearest.shape == self._maxima.shape and np.array_equal(digest, _digest(self._members))
        if fits:
            self._maxima, self._nearest = maxima.astype(np.float32), nearest.astype(np.int64)
        return fits

    def _renew(self, which: NDArray[np.bool_], index: VectorIndex) -> None:
        if which.any():
            similarities, ids = index.search(self._members[which], 1, self._negatives)
            found = ids[:, 0] >= 0
            self._maxima[which] = np.where(found, similarities[:, 0], NOTHING)
            self._nearest[which] = ids[:, 0]


def _digest(members: Vectors) -> NDArray[np.uint8]:
    return np.frombuffer(sha256(members.tobytes()).digest(), np.uint8)
