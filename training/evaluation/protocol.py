"""Retrieval evaluation as configurations describe it: which figures, of which form of the features, by which rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.evaluation.binary import Binarisation, binary_codes
from training.evaluation.metrics import QueryFigures, Removal, Vectors, cosine_blocks, retrieval_figures
from training.evaluation.open_set import detection_rates, open_set_auroc
from training.evaluation.pool import Pool
from training.evaluation.reranking import reranked_distances
from training.evaluation.upstream import upstream_figures
from training.registry import UnknownName

S = TypeVar("S")
UPSTREAM_BLOCK = 64
FALSE_ACCEPT_RATES = (0.01, 0.1)
PLAIN = {"mAP": "mAP", "mINP": "mINP", "RPrecision": "R-precision"}
BY_K = {"Recallk": "recall", "Precisionk": "precision"}


@dataclass(frozen=True)
class RetrievalProtocol:
    """How features are compared and what is reported.

    Attributes:
        figures: names as ``metrics.figure_names`` gives them, the one that chooses the best model first.
        normalize: compare by cosine; False: by inner product (``Global.feature_normalize``).
        binarize: compare binary codes instead (``Global.feature_binarize``).
        rerank: rank by k-reciprocal distances (``Global.re_ranking``).
        upstream_block: give the figures as the old stack printed them, over blocks of so many queries
            (``Global.upstream_metrics`` and ``Global.sim_block_size``); None: as defined here.
    """

    figures: tuple[str, ...] = ("recall@1", "recall@5", "mAP")
    normalize: bool = True
    binarize: Binarisation | None = None
    rerank: bool = False
    upstream_block: int | None = None

    @property
    def ks(self) -> tuple[int, ...]:
        """The k that the figures ask for."""
        return tuple(sorted({int(name.split("@")[1]) for name in self.figures if "@" in name})) or (1,)


def protocol_of(metrics: Sequence[Mapping[str, Any]], settings: Mapping[str, Any] | None = None) -> RetrievalProtocol:
    """The protocol of a configuration's ``Metric: Eval`` list and ``Global`` section.

    Args:
        metrics: ``[{"Recallk": {"topk": [1, 5]}}, {"mAP": {}}]``; also Precisionk, mINP and RPrecision.
        settings: ``feature_normalize``, ``feature_binarize``, ``re_ranking``, ``upstream_metrics`` and
            ``sim_block_size``; other keys are not looked at.

    Raises:
        UnknownName: for a metric that does not exist; the message lists the near ones.
        ValueError: if an entry is not one metric with its parameters.
    """
    figures: list[str] = []
    for entry in metrics:
        if len(entry) != 1:
            raise ValueError(f"a metric is one name with its parameters, got {dict(entry)!r}")
        ((name, parameters),) = entry.items()
        if name in BY_K:
            topk = (parameters or {}).get("topk", [1, 5])
            figures += [f"{BY_K[name]}@{int(k)}" for k in (topk if isinstance(topk, Sequence) else [topk])]
        elif name in PLAIN:
            figures.append(PLAIN[name])
        else:
            raise UnknownName("retrieval metric", name, [*BY_K, *PLAIN])
    given = settings or {}
    binarize = given.get("feature_binarize")
    if binarize not in (None, "sign", "round"):
        raise ValueError(f"feature_binarize is sign, round or left out, not {binarize!r}")
    return RetrievalProtocol(
        figures=tuple(figures) or RetrievalProtocol.figures,
        normalize=bool(given.get("feature_normalize", True)),
        binarize=binarize,
        rerank=bool(given.get("re_ranking", False)),
        upstream_block=int(given.get("sim_block_size", UPSTREAM_BLOCK)) if given.get("upstream_metrics") else None,
    )


def evaluate_retrieval(
    embed: Callable[[S], Pool], query_set: S, gallery_set: S | None = None, protocol: RetrievalProtocol | None = None
) -> dict[str, float]:
    """Embed one or two sets and give the protocol's figures, in its order.

    Args:
        embed: features of a set, whatever the sets are.
        gallery_set: None: the queries are their own gallery.

    Raises:
        ValueError: if no query has a relevant gallery entry, or features are not finite.
    """
    protocol = protocol or RetrievalProtocol()
    queries = embed(query_set)
    gallery = None if gallery_set is None else embed(gallery_set)
    if protocol.upstream_block is None:
        means = rank_pools(queries, gallery, protocol).means()
    else:
        means = _upstream_means(queries, queries if gallery is None else gallery, protocol, protocol.upstream_block)
    return {name: means[name] for name in protocol.figures}


def _upstream_means(queries: Pool, gallery: Pool, protocol: RetrievalProtocol, block: int) -> dict[str, float]:
    if "R-precision" in protocol.figures:
        raise ValueError("the old stack had no RPrecision: take it out of Metric.Eval, or Global.upstream_metrics")
    first, second = _prepared(queries.vectors, protocol), _prepared(gallery.vectors, protocol)
    if protocol.rerank:
        similarities = -reranked_distances(first, second)
        blocks = (similarities[start : start + block] for start in range(0, len(first), block))
    else:
        blocks = (first[start : start + block] @ second.T for start in range(0, len(first), block))
    groups = queries.groups, gallery.groups
    return upstream_figures(blocks, queries.labels, gallery.labels, *groups, protocol.ks, removed_last=protocol.rerank)


def rank_pools(queries: Pool, gallery: Pool | None, protocol: RetrievalProtocol | None = None) -> QueryFigures:
    """Figures of every query.

    What stays out of a query's ranking: where both sides have groups, entries of its label and group (the same-camera
    rule); else whatever was cut from its own photo. So nothing ever finds itself.

    Args:
        gallery: None: the queries are their own gallery.
    """
    protocol = protocol or RetrievalProtocol()
    gallery = queries if gallery is None else gallery
    first, second = _prepared(queries.vectors, protocol), _prepared(gallery.vectors, protocol)
    blocks = [-reranked_distances(first, second)] if protocol.rerank else cosine_blocks(first, second)
    removal = removal_of(queries, gallery)
    return retrieval_figures(blocks, queries.labels, gallery.labels, removal, protocol.ks)


def removal_of(queries: Pool, gallery: Pool) -> Removal:
    """The rule of ``rank_pools``."""
    if queries.groups is not None and gallery.groups is not None:
        return Removal(queries.groups, gallery.groups, same_label_only=True)
    return Removal(queries.photos, gallery.photos)


def open_set_figures(
    figures: QueryFigures, query_labels: NDArray[Any], gallery_labels: NDArray[Any]
) -> dict[str, float]:
    """AUROC, and shares of known queries detected and identified at false-accept rates.

    Unknown are the queries whose label is not in the gallery; empty if there are no unknown or no known ones.
    """
    unknown = ~np.isin(query_labels, gallery_labels)
    known = figures.answerable()
    if not unknown.any() or not known.any():
        return {}
    right = gallery_labels[figures.nearest] == query_labels
    scores = figures.similarity
    result = {"AUROC": open_set_auroc(scores[known], scores[unknown])}
    for rate in FALSE_ACCEPT_RATES:
        detected, identified = detection_rates(scores[known], right[known], scores[unknown], rate)
        result |= {f"detected at FAR {rate:g}": detected, f"identified at FAR {rate:g}": identified}
    return result


def _prepared(vectors: Vectors, protocol: RetrievalProtocol) -> Vectors:
    if protocol.binarize is not None:
        return binary_codes(vectors, protocol.binarize)
    if protocol.normalize:
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
    return vectors
