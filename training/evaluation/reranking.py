"""Re-ranking by k-reciprocal neighbours.

Source: Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.evaluation.metrics import Ids, Vectors, block_rows

OVERLAP = 2 / 3


def reranked_distances(
    queries: Vectors, gallery: Vectors, k1: int = 20, k2: int = 6, original_share: float = 0.3
) -> Vectors:
    """Distances ``(Q, G) float32``: Jaccard of reciprocal neighbourhoods, blended with the scaled squared distance.

    Needs memory for ``Q x G`` floats and about ``(Q + G) x k1 x k2`` sparse entries.

    Args:
        queries, gallery: ``(Q, dim)`` and ``(G, dim)``.
        k1: size of the reciprocal neighbourhoods.
        k2: neighbours over which their encodings are averaged (local query expansion); 1 turns it off.
        original_share: lambda, the share of the original distance.
    """
    everything = np.concatenate([queries, gallery])
    neighbours, farthest = _nearest(everything, k1 + 1)
    encoded = _encode(everything, neighbours, farthest, k1)
    if k2 != 1:
        encoded = _averaged(encoded, neighbours[:, :k2])
    count = len(queries)
    distances = _squared_distances(queries, gallery) / farthest[:count, None]
    jaccard = _jaccard(encoded[:count], encoded[count:])
    return np.asarray((1 - original_share) * jaccard + original_share * distances, np.float32)


def _squared_distances(first: Vectors, second: Vectors) -> Vectors:
    lengths = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)[None]
    return np.asarray(np.maximum(lengths - 2 * (first @ second.T), 0))


def _nearest(vectors: Vectors, count: int) -> tuple[Ids, Vectors]:
    """The ``count`` nearest of every vector, itself first, and its squared distance to the farthest one."""
    neighbours, farthest = [], []
    rows = block_rows(2 * len(vectors))
    for start in range(0, len(vectors), rows):
        distances = _squared_distances(vectors[start : start + rows], vectors)
        neighbours.append(np.argsort(distances, axis=1, kind="stable")[:, :count])
        farthest.append(distances.max(axis=1))
    return np.concatenate(neighbours), np.concatenate(farthest)


def _reciprocal(neighbours: Ids, one: int, k: int) -> Ids:
    """Those among the ``k`` nearest of ``one`` that have it among their own ``k`` nearest."""
    forward = neighbours[one, : k + 1]
    return np.asarray(forward[(neighbours[forward, : k + 1] == one).any(axis=1)])


def _neighbourhood(neighbours: Ids, one: int, k1: int) -> Ids:
    """Reciprocal neighbours, and the half-size neighbourhoods of those that share two thirds of theirs."""
    core = _reciprocal(neighbours, one, k1)
    found = [core]
    for member in core:
        theirs = _reciprocal(neighbours, int(member), round(k1 / 2))
        if np.isin(theirs, core).sum() > OVERLAP * len(theirs):
            found.append(theirs)
    return np.unique(np.concatenate(found))


def _encode(vectors: Vectors, neighbours: Ids, farthest: Vectors, k1: int) -> sparse.csr_matrix:
    """Every vector as weights over its neighbourhood: exp(-scaled squared distance), of sum 1."""
    columns, weights = [], []
    for one in range(len(vectors)):
        members = _neighbourhood(neighbours, one, k1)
        near = np.exp(-_squared_distances(vectors[one][None], vectors[members])[0] / farthest[one])
        columns.append(members)
        weights.append(near / near.sum())
    bounds = np.cumsum([0, *map(len, columns)])
    shape = (len(vectors), len(vectors))
    return sparse.csr_matrix((np.concatenate(weights), np.concatenate(columns), bounds), shape)


def _averaged(encoded: sparse.csr_matrix, neighbours: Ids) -> sparse.csr_matrix:
    count, k2 = neighbours.shape
    bounds = np.arange(0, count * k2 + 1, k2)
    mean = sparse.csr_matrix((np.full(count * k2, 1 / k2), neighbours.ravel(), bounds), (count, count))
    return (mean @ encoded).tocsr()


def _jaccard(queries: sparse.csr_matrix, gallery: sparse.csr_matrix) -> NDArray[np.float64]:
    """1 - sum of minima / sum of maxima ``(Q, G)`` of rows of sum 1."""
    by_column = gallery.tocsc()
    result = np.empty((queries.shape[0], gallery.shape[0]))
    for row in range(queries.shape[0]):
        shared = np.zeros(gallery.shape[0])
        weights = queries[row]
        for column, weight in zip(weights.indices, weights.data, strict=True):
            part = slice(by_column.indptr[column], by_column.indptr[column + 1])
            shared[by_column.indices[part]] += np.minimum(weight, by_column.data[part])
        result[row] = 1 - shared / (2 - shared)
    return result
