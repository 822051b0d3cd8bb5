import numpy as np
import pytest

from training.evaluation.pool import Pool
from training.evaluation.protocol import (
    RetrievalProtocol,
    evaluate_retrieval,
    open_set_figures,
    protocol_of,
    rank_pools,
)
from training.registry import UnknownName


def pool(seed: int, count: int = 30, groups: int | None = None, name: str = "") -> Pool:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, count)
    vectors = np.random.default_rng(99).normal(size=(5, 8))[labels] + 0.9 * rng.normal(size=(count, 8))
    cameras = None if groups is None else rng.integers(0, groups, count).astype(str)
    return Pool(vectors.astype(np.float32), labels.astype(str), np.array([f"{name}{i}" for i in range(count)]), cameras)


def test_old_metric_lists_become_names_in_their_order() -> None:
    protocol = protocol_of(
        [{"mAP": {}}, {"Recallk": {"topk": [1, 10]}}, {"Precisionk": {"topk": 5}}, {"mINP": None}, {"RPrecision": {}}],
        {"feature_normalize": False, "feature_binarize": "sign", "re_ranking": True, "seed": 3},
    )
    assert protocol.figures == ("mAP", "recall@1", "recall@10", "precision@5", "mINP", "R-precision")
    assert (protocol.normalize, protocol.binarize, protocol.rerank) == (False, "sign", True)
    assert protocol_of([]) == RetrievalProtocol()


def test_metrics_that_do_not_exist_are_refused_with_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="Recallk"):
        protocol_of([{"Recalk": {"topk": [1]}}])
    with pytest.raises(ValueError, match="one name"):
        protocol_of([{"mAP": {}, "mINP": {}}])
    with pytest.raises(ValueError, match="feature_binarize"):
        protocol_of([{"mAP": {}}], {"feature_binarize": "median"})


def test_a_set_that_is_its_own_gallery_never_finds_itself() -> None:
    members = pool(0)
    alone = evaluate_retrieval(lambda chosen: chosen, members)
    twice = evaluate_retrieval(lambda chosen: chosen, members, pool(0))
    assert alone == twice
    unit = members.vectors / np.linalg.norm(members.vectors, axis=1, keepdims=True)
    similarities = unit @ unit.T - 9 * np.eye(30)
    right = members.labels[similarities.argmax(axis=1)] == members.labels
    assert alone["recall@1"] == pytest.approx(right.mean())
    assert list(alone) == ["recall@1", "recall@5", "mAP"]


def test_groups_remove_pictures_of_the_same_label_and_group_only() -> None:
    queries, gallery = pool(1, groups=2, name="q"), pool(2, groups=2, name="g")
    figures = rank_pools(queries, gallery)
    assert queries.groups is not None
    assert gallery.groups is not None
    unit = [p.vectors / np.linalg.norm(p.vectors, axis=1, keepdims=True) for p in (queries, gallery)]
    similarities = unit[0] @ unit[1].T
    same = queries.labels[:, None] == gallery.labels[None]
    similarities[same & (queries.groups[:, None] == gallery.groups[None])] = -9
    assert figures.nearest.tolist() == similarities.argmax(axis=1).tolist()


def test_forms_of_the_features_change_the_ranking() -> None:
    queries, gallery = pool(3, name="q"), pool(4, name="g")
    scaled = Pool(gallery.vectors * np.linspace(1, 50, 30)[:, None].astype(np.float32), gallery.labels, gallery.photos)
    cosine, product, binary, reranked = (
        rank_pools(queries, scaled, RetrievalProtocol(normalize=n, binarize=b, rerank=r)).means()
        for n, b, r in ((True, None, False), (False, None, False), (True, "sign", False), (True, None, True))
    )
    assert cosine == rank_pools(queries, gallery).means()
    assert product != cosine
    assert binary == rank_pools(queries, gallery, RetrievalProtocol(binarize="sign")).means()
    assert reranked["mAP"] > cosine["mAP"]


def test_queries_of_other_labels_make_an_open_set() -> None:
    queries, gallery = pool(5, name="q"), pool(6, name="g")
    known = gallery.take(gallery.labels != "0")
    figures = rank_pools(queries, known)
    result = open_set_figures(figures, queries.labels, known.labels)
    stranger = queries.labels == "0"
    pairs = [(a > b) + 0.5 * (a == b) for a in figures.similarity[~stranger] for b in figures.similarity[stranger]]
    assert result["AUROC"] == pytest.approx(np.mean(pairs))
    assert result["identified at FAR 0.1"] <= result["detected at FAR 0.1"]
    assert open_set_figures(rank_pools(queries, gallery), queries.labels, gallery.labels) == {}
