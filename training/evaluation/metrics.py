"""Retrieval figures by ranking a gallery for every query, block by block.

Definitions, over queries that have at least one relevant gallery entry (one of the same label, not removed):

- recall@k: a relevant entry is among the first k (also called CMC or rank-k accuracy).
- precision@k: share of relevant entries among the first k.
- mAP: mean of the precision at every relevant entry.
- mINP: relevant entries / rank of the last one (Ye et al., "Deep learning for person re-identification", TPAMI 2022).
- R-precision: share of relevant entries among the first R, R being their number (Musgrave et al., "A metric learning
  reality check", ECCV 2020).

Entries that a rule removes leave the ranking; equal similarities are ranked by their place in the gallery.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]
BLOCK_BYTES = 256 * 1024 * 1024
REMOVED = np.uint64(2**64 - 1)
PLACE = np.uint64(2**32 - 1)
SIGN = np.uint32(2**31)


@dataclass(frozen=True)
class Removal:
    """Gallery entries whose key ``(G,)`` equals the query's ``(Q,)`` are taken out of its ranking.

    Row numbers as keys leave out the query itself, photos all that was cut from the same photo; cameras with
    ``same_label_only`` are the rule of re-identification: other pictures of the same thing by the same camera.
    """

    query_keys: NDArray[Any]
    gallery_keys: NDArray[Any]
    same_label_only: bool = False


def leave_one_out(count: int) -> Removal:
    """The rule for a set of ``count`` that is its own gallery: nothing finds itself."""
    return Removal(np.arange(count), np.arange(count))


@dataclass(frozen=True)
class QueryFigures:
    """Figures of every query.

    Attributes:
        values: ``(Q,) float64`` by name; NaN for queries without a relevant gallery entry.
        nearest: place ``(Q,)`` of the nearest entry in the gallery, -1 where all are removed.
        similarity: ``(Q,) float32`` of the nearest entry, -inf where all are removed.
    """

    values: dict[str, NDArray[np.float64]]
    nearest: Ids
    similarity: NDArray[np.float32]

    def answerable(self) -> NDArray[np.bool_]:
        """Which queries ``(Q,)`` have a relevant gallery entry."""
        return ~np.isnan(next(iter(self.values.values())))

    def means(self) -> dict[str, float]:
        """Plain means over the answerable queries.

        Raises:
            ValueError: if there is none.
        """
        chosen = self.answerable()
        if not chosen.any():
            raise ValueError("no query has another picture of its label in the gallery: nothing can be measured")
        return {name: float(value[chosen].mean()) for name, value in self.values.items()}


def retrieval_figures(
    blocks: Iterable[Vectors],
    query_labels: NDArray[Any],
    gallery_labels: NDArray[Any],
    removal: Removal | None = None,
    ks: Sequence[int] = (1, 5, 10),
) -> QueryFigures:
    """Rank the gallery for every query.

    Args:
        blocks: similarities ``(B, G) float32`` of consecutive queries, as ``cosine_blocks`` gives them.
        query_labels, gallery_labels: ``(Q,)`` and ``(G,)``.
        ks: the k of recall@k and precision@k.

    Raises:
        ValueError: if similarities are not finite.
    """
    query_codes, gallery_codes = _codes(query_labels, gallery_labels)
    relevant_of = _Members(gallery_codes)
    finder = _RemovedFinder(removal)
    names = figure_names(ks)
    values = np.full((len(query_codes), len(names)), np.nan)
    nearest = np.full(len(query_codes), -1, np.int64)
    similarity = np.full(len(query_codes), -np.inf, np.float32)
    query = 0
    for block in blocks:
        if not np.isfinite(block).all():
            raise ValueError("similarities are not finite: the embeddings hold NaN or infinity (diverged training?)")
        for row in block:
            relevant, removed = finder.split(query, relevant_of.of(query_codes[query]))
            ranks, nearest[query] = ranks_of(row, relevant, removed)
            if nearest[query] >= 0:
                similarity[query] = row[nearest[query]]
            if len(ranks):
                values[query] = rank_figures(ranks, ks)
            query += 1
    return QueryFigures(dict(zip(names, values.T, strict=True)), nearest, similarity)


def cosine_blocks(queries: Vectors, gallery: Vectors, memory_bytes: int = BLOCK_BYTES) -> Iterator[Vectors]:
    """Inner products ``(B, G)`` of ``(Q, dim)`` with ``(G, dim)``, as many rows at once as the memory takes."""
    rows = block_rows(len(gallery), memory_bytes)
    for start in range(0, len(queries), rows):
        yield queries[start : start + rows] @ gallery.T


def block_rows(gallery: int, memory_bytes: int = BLOCK_BYTES) -> int:
    """Rows of a float32 block over ``gallery`` entries that fit into ``memory_bytes``; at least one."""
    return max(1, memory_bytes // (4 * max(1, gallery)))


def figure_names(ks: Sequence[int]) -> list[str]:
    """Names in the order of ``rank_figures``."""
    return [*(f"recall@{k}" for k in ks), *(f"precision@{k}" for k in ks), "mAP", "mINP", "R-precision"]


def rank_figures(ranks: Ids, ks: Sequence[int]) -> list[float]:
    """Figures of one query from the ascending ranks ``(R,)``, 1 and up, of its relevant entries (R >= 1)."""
    count = len(ranks)
    within = np.searchsorted(ranks, [*ks, count], side="right")
    return [
        *(float(found > 0) for found in within[:-1]),
        *(float(found) / k for found, k in zip(within[:-1], ks, strict=True)),
        float((np.arange(1, count + 1) / ranks).mean()),
        count / float(ranks[-1]),
        float(within[-1]) / count,
    ]


def ranks_of(similarities: Vectors, relevant: Ids, removed: Ids) -> tuple[Ids, int]:
    """Ascending ranks of ``relevant`` among ``(G,)`` similarities without ``removed``, and the place of the first.

    Similarity and place are packed into one integer, so that one sort of unique keys gives the stable order.
    """
    # Adding 0 makes -0.0 to 0.0, which are equal but have other bits.
    bits = (np.asarray(similarities, np.float32) + np.float32(0)).view(np.uint32)
    falling = np.where(bits & SIGN, bits, ~(bits | SIGN))
    keys = falling.astype(np.uint64) << np.uint64(32) | np.arange(len(falling), dtype=np.uint64)
    keys[removed] = REMOVED
    wanted = keys[relevant]
    keys.sort()
    first = int(keys[0] & PLACE) if len(keys) and keys[0] != REMOVED else -1
    return np.sort(np.searchsorted(keys, wanted)) + 1, first


def topk_accuracy(logits: Vectors, labels: Ids, ks: Sequence[int]) -> dict[str, float]:
    """Share of rows whose own class ``(N,)`` is among the k largest of ``(N, classes)`` logits, as ``top<k>``."""
    own = logits[np.arange(len(labels)), labels]
    rank = (logits > own[:, None]).sum(axis=1)
    return {f"top{k}": float((rank < k).mean()) for k in ks}


class _Members:
    """Places of every code, ascending."""

    def __init__(self, codes: Ids) -> None:
        self._order = np.argsort(codes, kind="stable")
        self._sorted = codes[self._order]

    def of(self, code: int) -> Ids:
        first, end = np.searchsorted(self._sorted, [code, code + 1])
        return self._order[first:end]


class _RemovedFinder:
    """Which entries a rule removes for a query."""

    def __init__(self, removal: Removal | None) -> None:
        self._removal = removal
        if removal is not None:
            self._query, self._gallery = _codes(removal.query_keys, removal.gallery_keys)
            self._members = _Members(self._gallery)

    def split(self, query: int, relevant: Ids) -> tuple[Ids, Ids]:
        """Relevant entries that stay, and all entries that go."""
        if self._removal is None:
            return relevant, relevant[:0]
        key = self._query[query]
        same = self._gallery[relevant] == key
        removed = relevant[same] if self._removal.same_label_only else self._members.of(int(key))
        return relevant[~same], removed


def _codes(first: NDArray[Any], second: NDArray[Any]) -> tuple[Ids, Ids]:
    """Both arrays as numbers of their common values."""
    _, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    return codes[: len(first)], codes[len(first) :]
