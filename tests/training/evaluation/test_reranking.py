import os
from pathlib import Path

import numpy as np
import pytest

from training.evaluation.metrics import Removal, retrieval_figures
from training.evaluation.reranking import reranked_distances

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", Path(__file__).parents[4] / "shared"))
FIXTURES = SHARED / "reference/fixtures/recmodel"
needs_fixtures = pytest.mark.skipif(not FIXTURES.exists(), reason=f"no reference arrays at {FIXTURES}")


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def slow_distances(queries: np.ndarray, gallery: np.ndarray, k1: int, k2: int, share: float) -> np.ndarray:
    """The paper's steps with sets and loops."""
    points = np.concatenate([queries, gallery]).astype(np.float64)
    count = len(points)
    distance = np.array([[np.sum((a - b) ** 2) for b in points] for a in points])
    distance /= distance.max(axis=1, keepdims=True)
    order = [sorted(range(count), key=lambda j: (distance[i, j], j)) for i in range(count)]

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    weights = np.zeros((count, count))
    for i in range(count):
        core = reciprocal(i, k1)
        grown = set(core)
        for j in core:
            near = reciprocal(j, round(k1 / 2))
            if len(near & core) > 2 / 3 * len(near):
                grown |= near
        for j in grown:
            weights[i, j] = np.exp(-distance[i, j])
        weights[i] /= weights[i].sum()
    expanded = np.array([weights[order[i][:k2]].mean(axis=0) for i in range(count)])
    q = len(queries)
    jaccard = np.array(
        [[1 - np.minimum(a, b).sum() / np.maximum(a, b).sum() for b in expanded[q:]] for a in expanded[:q]]
    )
    return (1 - share) * jaccard + share * distance[:q, q:]


def test_distances_are_those_of_the_papers_steps() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 5))
    queries = unit(centres[rng.integers(0, 6, 8)] + 0.5 * rng.normal(size=(8, 5)))
    gallery = unit(centres[rng.integers(0, 6, 30)] + 0.5 * rng.normal(size=(30, 5)))
    for k1, k2 in ((7, 3), (4, 1)):
        expected = slow_distances(queries, gallery, k1, k2, 0.3)
        np.testing.assert_allclose(reranked_distances(queries, gallery, k1, k2, 0.3), expected, atol=1e-5)


@pytest.mark.shared
@needs_fixtures
def test_distances_and_figures_of_the_reference() -> None:
    with np.load(FIXTURES / "retrieval_rerank_dist.npz", allow_pickle=False) as data:
        distances = reranked_distances(data["query_feat"], data["gallery_feat"])
        np.testing.assert_allclose(distances, data["dist"], atol=5e-3)
    with np.load(FIXTURES / "retrieval_rerank.npz", allow_pickle=False) as data:
        distances = reranked_distances(unit(data["query_feat"]), unit(data["gallery_feat"]))
        removal = Removal(data["query_camera"], data["gallery_camera"], same_label_only=True)
        means = retrieval_figures([-distances], data["query_label"], data["gallery_label"], removal, ks=[1, 5]).means()
        assert means["recall@1"] == pytest.approx(float(data["result_recall1"]), abs=1e-6)
        assert means["recall@5"] == pytest.approx(float(data["result_recall5"]), abs=1e-6)
        assert means["mAP"] == pytest.approx(float(data["result_mAP"]), abs=5e-3)
