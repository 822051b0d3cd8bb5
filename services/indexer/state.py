"""One gallery in memory, ready to be searched: derived from the database, never the other way round."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenspeckle.bits import bit_similarities
from kenspeckle.decision import LeaveOut
from kenspeckle.types import GalleryState as StateInfo
from kenspeckle.types import SearchAnswer, SearchHit
from services.common.errors import Conflict, NotReady
from services.indexer.locks import ReadWriteLock
from services.indexer.neighbours import Ranking, Shown, rank
from services.indexer.store.items import Indexed
from services.indexer.vectors.binary import BinaryIndex
from services.indexer.vectors.cohort import CohortMaxima, cosines
from services.indexer.vectors.flat import FlatIndex
from services.indexer.vectors.index import Ids, VectorIndex, Vectors

# Neighbours that are asked for at first: enough for top_k items with a few references each.
FIRST_NEIGHBOURS = 32
LOOKALIKE_P = 0.01


@dataclass(frozen=True)
class Lookalike:
    """Another label and how similar it is."""

    label: str
    similarity: float


@dataclass(frozen=True)
class _Part:
    """What of a gallery is searched: references outside of it, and how many references, items and labels are in it."""

    outside: Ids | None
    references: int
    items: int
    labels: int


class GalleryIndex:
    """The references of one gallery with one fingerprint, and how the cohort looks at them.

    Args:
        gallery_id: row number of the gallery.
        name: of the gallery.
        fingerprint: of its embeddings; None for a gallery that never had any.
        dim: length of the embeddings; 0 without a fingerprint.
        cohort: ``(N, dim) float32`` of the fingerprint; None if no bundle with it is there.
        hashing: whether the embeddings are codes of a hashing model.
        leave_out: when members of the cohort do not count; None if they always do.
    """

    def __init__(
        self,
        gallery_id: int,
        name: str,
        fingerprint: str | None,
        dim: int,
        cohort: Vectors | None,
        hashing: bool = False,
        leave_out: LeaveOut | None = None,
    ) -> None:
        self.gallery_id = gallery_id
        self.name = name
        self.fingerprint = fingerprint
        self.dim = dim
        self.revision = 0
        similarities = bit_similarities if hashing else cosines
        self._cohort = None if cohort is None else CohortMaxima(cohort, similarities, leave_out)
        self._kind: type[VectorIndex] = BinaryIndex if hashing else FlatIndex
        self._index: VectorIndex = BinaryIndex(dim) if hashing else FlatIndex(max(dim, 1))
        self._shown: dict[int, Shown] = {}
        self._references: dict[int, set[int]] = {}
        self._negative: set[int] = set()
        self._labels: Counter[str] = Counter()
        self._lock = ReadWriteLock()

    @property
    def count(self) -> int:
        """Number of references."""
        return self._index.count

    @property
    def memory_bytes(self) -> int:
        """Memory of the vector index."""
        return self._index.memory_bytes

    def missing(self, rows: Iterable[Indexed]) -> list[int]:
        """References among ``rows`` whose vectors are not here yet."""
        return [row.id for row in rows if row.id not in self._shown]

    # --- changing: by the follower of the change log alone -------------------------------------------------

    def restore(self, arrays: dict[str, NDArray[Any]], rows: Sequence[Indexed]) -> None:
        """Fill an empty index from a generation, as far as it agrees with the database.

        Args:
            arrays: what ``save`` gave, at whatever revision.
            rows: all references of the gallery now.

        Raises:
            ValueError: if the arrays do not fit together; the index may then not be used.
        """
        index, vectors = self._kind.load(arrays), self._kind.vectors(arrays)
        uids = arrays.get("uids")
        if vectors.shape[1] != self.dim or uids is None or uids.shape != arrays["ids"].shape:
            raise ValueError("vectors have another length, or names are missing")
        held = dict(zip(arrays["ids"].tolist(), uids.tolist(), strict=True))
        still = [row for row in rows if held.get(row.id) == row.uid]
        gone = np.array(sorted(set(held) - {row.id for row in still}), np.int64)
        index.remove(gone)
        if index.count != len(still):
            raise ValueError("a reference is there twice")
        self._index = index
        for row in still:
            self._show(row)
        if self._cohort is not None:
            self._restore_cohort(self._cohort, arrays, vectors, gone, index)

    def _restore_cohort(
        self, cohort: CohortMaxima, arrays: dict[str, NDArray[Any]], stored: Vectors, gone: Ids, index: VectorIndex
    ) -> None:
        vectors = dict(zip(arrays["ids"].tolist(), stored, strict=True))
        if not cohort.restore(arrays):
            labelled = [row for row in self._shown if row not in self._negative]
            cohort.add(*_stack([(row, vectors[row]) for row in labelled], self.dim))
        if self._negative:
            cohort.add_negatives(*_stack([(row, vectors[row]) for row in sorted(self._negative)], self.dim), index)
        cohort.remove(gone, index)

    def apply(
        self, revision: int, items: Iterable[int], rows: Sequence[Indexed], vectors: dict[int, NDArray[np.float32]]
    ) -> None:
        """Make some items what they are at ``revision``.

        Args:
            items: row numbers of the items that changed, those that are gone included.
            rows: all references that these items have now.
            vectors: embeddings at least of the references that were ``missing``.
        """
        before = {row for item in items for row in self._references.get(item, ())}
        wanted = {row.id for row in rows}
        new = [row for row in rows if row.id not in before]
        ids, stacked = _stack([(row.id, vectors[row.id]) for row in new], self.dim)
        negative = np.array([row.negative for row in new], np.bool_)
        with self._lock.writing():
            self._forget(sorted(before - wanted))
            if len(ids):
                self._index.add(ids, stacked)
                if self._cohort is not None and not negative.all():
                    self._cohort.add(ids[~negative], stacked[~negative])
                if self._cohort is not None and negative.any():
                    self._cohort.add_negatives(ids[negative], stacked[negative], self._index)
            for row in rows:
                self._hide(row.id)
                self._show(row)
            self.revision = revision

    def _forget(self, rows: list[int]) -> None:
        if not rows:
            return
        ids = np.array(rows, np.int64)
        self._index.remove(ids)
        if self._cohort is not None:
            if self._negative.intersection(rows):
                self._cohort.remove_negatives(ids)
            self._cohort.remove(ids, self._index)
        for row in rows:
            self._hide(row)

    def _show(self, row: Indexed) -> None:
        self._shown[row.id] = Shown(row.uid, row.item, row.item_id, row.label)
        self._references.setdefault(row.item, set()).add(row.id)
        if row.negative:
            self._negative.add(row.id)
        if row.label is not None:
            self._labels[row.label] += 1

    def _hide(self, row: int) -> None:
        shown = self._shown.pop(row, None)
        if shown is None:
            return
        self._negative.discard(row)
        self._references[shown.item].discard(row)
        if not self._references[shown.item]:
            del self._references[shown.item]
        if shown.label is not None:
            self._labels[shown.label] -= 1
            if not self._labels[shown.label]:
                del self._labels[shown.label]

    # --- reading -------------------------------------------------------------------------------------------

    def search(
        self,
        fingerprint: str,
        embeddings: Vectors,
        top_k: int,
        cohort_size: int,
        items: Collection[int] | None = None,
    ) -> SearchAnswer:
        """Search ``(Q, dim)`` unit vectors; one hit per row.

        Args:
            cohort_size: what is answered for a gallery that never had embeddings.
            items: row numbers of the items that are searched; None for all. p stays that of the whole gallery, which
                is at least that of a part of it.

        Raises:
            Conflict: if the gallery's embeddings have another fingerprint.
            NotReady: if the cohort of the fingerprint is not known here.
        """
        if self.fingerprint is not None and fingerprint != self.fingerprint:
            raise Conflict(
                f"the gallery “{self.name}” holds embeddings of {self.fingerprint}, the query is of {fingerprint};"
                f" re-embed the gallery (POST /galleries/{self.name}/reembed)",
                "fingerprint",
            )
        if self.fingerprint is not None and self._cohort is None:
            raise NotReady(f"no bundle with the fingerprint {self.fingerprint} is here, so its cohort is not known")
        with self._lock.reading():
            state = StateInfo(name=self.name, revision=self.revision)
            part = self._part(items)
            if not part.references or self._cohort is None:
                empty = SearchHit(candidates=[], other_label=None, other_similarity=None, p_value=None)
                size = cohort_size if self._cohort is None else self._cohort.size
                return SearchAnswer(gallery=state, cohort_size=size, hits=[empty] * len(embeddings))
            rankings = self._rankings(embeddings, top_k, part)
            # A query that is like no labelled reference at all gets p = 1: nothing speaks for it.
            labelled = [one.labelled_similarity for one in rankings]
            known = np.array([-np.inf if one is None else one for one in labelled], np.float32)
            p_values = np.where(np.isfinite(known), self._cohort.p_values(known), 1.0)
            return SearchAnswer(
                gallery=state,
                cohort_size=self._cohort.size,
                hits=[_hit(one, float(p)) for one, p in zip(rankings, p_values, strict=True)],
            )

    def lookalikes(self, fingerprint: str, embeddings: Vectors, label: str) -> list[Lookalike | None]:
        """The nearest other label of each of ``(Q, dim)`` vectors, where it is too near to be a coincidence.

        That is so if at most 1 % of the cohort are as near to anything in the gallery (or none, for a cohort too
        small to tell): then the thing would be taken for that label.
        """
        with self._lock.reading():
            if fingerprint != self.fingerprint or not self.count or self._cohort is None:
                return [None] * len(embeddings)
            found: list[Lookalike | None] = []
            chance = max(LOOKALIKE_P, 1 / (self._cohort.size + 1))
            for ranking in self._rankings(embeddings, 1, self._part(None)):
                best = ranking.candidates[0]
                nearest = [(best.label, best.similarity), (ranking.other_label, ranking.other_similarity)]
                others = [Lookalike(name, near) for name, near in nearest if name and near and name != label]
                p_values = self._cohort.p_values(np.array([one.similarity for one in others], np.float32))
                found.append(next((one for one, p in zip(others, p_values, strict=True) if p <= chance), None))
            return found

    def _part(self, items: Collection[int] | None) -> "_Part":
        if items is None:
            return _Part(None, self.count, len(self._references), len(self._labels))
        inside = {row for item in items for row in self._references.get(item, ())}
        outside = np.array([row for row in self._shown if row not in inside], np.int64)
        found = [self._shown[row] for row in inside]
        labels = {one.label for one in found if one.label is not None}
        return _Part(outside, len(inside), len({one.item for one in found}), len(labels))

    def _rankings(self, embeddings: Vectors, top_k: int, part: "_Part") -> list[Ranking]:
        count = part.references
        found: list[Ranking | None] = [None] * len(embeddings)
        wanted = min(count, max(FIRST_NEIGHBOURS, 2 * top_k))
        open_queries = list(range(len(embeddings)))
        while open_queries:
            similarities, ids = self._index.search(embeddings[open_queries], wanted, part.outside)
            for query, near, rows in zip(open_queries, similarities.tolist(), ids.tolist(), strict=True):
                found[query] = rank(near, rows, self._shown, top_k, part.items, part.labels)
            if wanted == count:
                break
            open_queries = [query for query in open_queries if not _complete(found[query])]
            wanted = min(count, wanted * 8)
        return [one for one in found if one is not None]

    def save(self) -> tuple[int, dict[str, NDArray[Any]]]:
        """The revision and the arrays of a generation."""
        with self._lock.reading():
            arrays = self._index.save()
            arrays["uids"] = np.array([self._shown[row].uid for row in arrays["ids"].tolist()], "U36")
            if self._cohort is not None:
                arrays.update(self._cohort.save())
            return self.revision, arrays


def _complete(ranking: Ranking | None) -> bool:
    return ranking is not None and ranking.complete


def _hit(ranking: Ranking, p_value: float) -> SearchHit:
    return SearchHit(
        candidates=ranking.candidates,
        other_label=ranking.other_label,
        other_similarity=ranking.other_similarity,
        p_value=p_value,
    )


def _stack(pairs: Sequence[tuple[int, NDArray[np.float32]]], dim: int) -> tuple[Ids, Vectors]:
    ids = np.array([row for row, _ in pairs], np.int64)
    vectors = np.stack([vector for _, vector in pairs]) if pairs else np.empty((0, dim), np.float32)
    return ids, np.asarray(vectors, np.float32)
