"""Retrieval figures as the old stack (PaddleClas 2.5 and 2.6) printed them, to compare with old logs.

They differ from those of ``metrics``: what a rule removes keeps its rank, with similarity 0; figures are means over
blocks of queries, weighted by the queries of a block, also where only some of these have something to find; mINP counts
ranks from 0, so that it is infinite where the only relevant entry comes first; without cameras or unique ids, a query
that is in the gallery finds itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import Vectors

Hits = NDArray[np.bool_]


def upstream_figures(
    blocks: Iterable[Vectors],
    query_labels: NDArray[Any],
    gallery_labels: NDArray[Any],
    query_groups: NDArray[Any] | None = None,
    gallery_groups: NDArray[Any] | None = None,
    ks: Sequence[int] = (1, 5),
    removed_last: bool = False,
) -> dict[str, float]:
    """Means by name: recall@k, precision@k, mAP, mINP.

    Args:
        blocks: similarities ``(B, G)`` of consecutive queries; the size of the blocks changes the result.
        query_groups, gallery_groups: cameras or unique ids; entries of the query's label and group are removed.
        removed_last: put removed entries behind all others, as re-ranking did.
    """
    totals: dict[str, float] = {}
    start = 0
    for block in blocks:
        rows = slice(start, start + len(block))
        relevant = query_labels[rows, None] == gallery_labels[None]
        kept = np.ones_like(relevant)
        if query_groups is not None and gallery_groups is not None:
            kept = ~(relevant & (query_groups[rows, None] == gallery_groups[None]))
        ranked = np.where(kept, block, -np.inf if removed_last else 0)
        order = np.argsort(-ranked, axis=1, kind="stable")
        hits = np.take_along_axis(relevant & kept, order, axis=1)
        for name, value in block_figures(hits, ks):
            totals[name] = totals.get(name, 0.0) + value * len(block)
        start = rows.stop
    return {name: total / len(query_labels) for name, total in totals.items()}


def block_figures(hits: Hits, ks: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Figures of one block by name.

    Args:
        hits: ``(B, G)``, whether the entry of each rank is relevant and kept.
    """
    found = hits[hits.any(axis=1)]
    ranks = np.arange(1, hits.shape[1] + 1)
    for k in ks:
        yield f"recall@{k}", _mean(np.asarray(found[:, :k].any(axis=1)))
    for k in ks:
        yield f"precision@{k}", _mean(hits[:, :k].sum(axis=1) / k)
    precision = np.cumsum(found, axis=1) / ranks
    yield "mAP", _mean((precision * found).sum(axis=1) / found.sum(axis=1))
    last = hits.shape[1] - 1 - np.argmax(found[:, ::-1], axis=1)
    with np.errstate(divide="ignore"):
        yield "mINP", _mean(found.sum(axis=1) / last)


def _mean(values: NDArray[Any]) -> float:
    """The mean; NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")
