"""Galleries drawn at random, and what a search in them says of known and unknown queries."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenspeckle.decision import LeaveOut, p_values, standing
from training.evaluation.pool import Pool
from training.evaluation.retrieval import draw_references

KNOWN, SIBLING, UNRELATED = 0, 1, 2


@dataclass(frozen=True)
class Facts:
    """Per query: s1; s1 - s2; p; whether the best label is right; KNOWN, SIBLING or UNRELATED; its photo."""

    similarity: NDArray[np.float64]
    margin: NDArray[np.float64]
    p_value: NDArray[np.float64]
    right: NDArray[np.bool_]
    kind: NDArray[np.int64]
    photo: NDArray[np.str_]

    def where(self, chosen: NDArray[Any]) -> "Facts":
        """The queries chosen by index or mask."""
        return Facts(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class OpenSet:
    """What episodes draw from: references and queries of the same labels, other things, and the cohort.

    Attributes:
        cohort: ``(N, dim)``.
        leave_out: when its members do not count; None if they always do.
    """

    references: Pool
    queries: Pool
    unrelated: Pool
    cohort: NDArray[np.float32]
    leave_out: LeaveOut | None = None

    def cohort_maxima(self, gallery: Pool) -> NDArray[np.float32]:
        """Similarity of the members that count to what is most like them in a gallery."""
        maxima = np.asarray((self.cohort @ gallery.vectors.T).max(axis=1))
        return maxima if self.leave_out is None else maxima[standing(maxima, self.leave_out)]


def joined(parts: list[Facts]) -> Facts:
    """All facts in one."""
    return Facts(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Facts)))


def draw_episodes(data: OpenSet, references: int, episodes: int, seed: int, labels: int | None = None) -> Facts:
    """Enrol random labels with ``references`` random pictures each; half of the queries are known ones.

    The rest are in equal parts siblings (queries of the labels not enrolled) and unrelated things.

    Args:
        labels: how many are enrolled; half of all if None.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(data.queries.labels)
    count = len(names) // 2 if labels is None else labels
    return joined([_episode(data, rng.permutation(names)[:count], references, rng) for _ in range(episodes)])


def _episode(data: OpenSet, enrolled: NDArray[np.str_], references: int, rng: np.random.Generator) -> Facts:
    candidates = data.references.take(np.isin(data.references.labels, enrolled))
    gallery = candidates.take(draw_references(candidates, references, rng))
    known = np.isin(data.queries.labels, enrolled)
    each = max(1, int(known.sum()) // 2)
    siblings, unrelated = data.queries.take(~known), data.unrelated
    parts = [
        (KNOWN, data.queries.take(known)),
        (SIBLING, siblings.take(rng.permutation(len(siblings.labels))[:each])),
        (UNRELATED, unrelated.take(rng.permutation(len(unrelated.labels))[:each])),
    ]
    cohort_maxima = data.cohort_maxima(gallery)
    return joined([search_facts(queries, gallery, cohort_maxima, kind) for kind, queries in parts])


def search_facts(queries: Pool, gallery: Pool, cohort_maxima: NDArray[np.float32], kind: int) -> Facts:
    """Facts of ``queries`` in a gallery of at least two labels."""
    names, label_of = np.unique(gallery.labels, return_inverse=True)
    similarities = queries.vectors @ gallery.vectors.T
    by_label = np.stack([similarities[:, label_of == i].max(axis=1) for i in range(len(names))], axis=1)
    ranked = np.sort(by_label, axis=1)
    best = ranked[:, -1].astype(np.float64)
    return Facts(
        similarity=best,
        margin=best - ranked[:, -2],
        p_value=p_values(best, cohort_maxima),
        right=names[by_label.argmax(axis=1)] == queries.labels,
        kind=np.full(len(best), kind),
        photo=queries.photos,
    )
