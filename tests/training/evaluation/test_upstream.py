"""The figures of old logs: against loops over a small case, and against arrays of the old stack (optional)."""

import numpy as np
import pytest

from tests.training.evaluation.test_metrics import fixture, fixtures
from training.evaluation.pool import Pool
from training.evaluation.protocol import evaluate_retrieval, protocol_of, rank_pools
from training.evaluation.upstream import block_figures, upstream_figures

RESULTS = {
    "recall@1": "recall1", "recall@5": "recall5", "precision@1": "precision_at_1", "precision@5": "precision_at_5",
    "mAP": "mAP", "mINP": "mINP",
}  # fmt: skip
EVERY = [{"Recallk": {"topk": [1, 5]}}, {"Precisionk": {"topk": [1, 5]}}, {"mAP": {}}, {"mINP": {}}]
SETTINGS = {
    "nocam_block64": {},
    "nocam_block7": {"sim_block_size": 7},
    "nocam_block7_missing": {"sim_block_size": 7},
    "cam": {},
    "same_set": {},
    "same_set_unique_id": {},
    "nonorm": {"feature_normalize": False},
    "rerank": {"re_ranking": True},
}


def test_removed_entries_keep_their_rank_between_likeness_and_unlikeness() -> None:
    """One query: a removed twin, then likenesses 0.9, 0.2 and -0.3; relevant are the second and the last."""
    similarities = np.array([[0.99, 0.9, 0.2, -0.3]], np.float32)
    labels, groups = np.array(["a", "b", "a", "a"]), np.array(["1", "1", "2", "2"])
    found = upstream_figures([similarities], np.array(["a"]), labels, np.array(["1"]), groups, ks=[1, 2])
    assert found["recall@1"] == 0
    assert found["recall@2"] == 1
    assert found["mAP"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found["mINP"] == pytest.approx(2 / 3)
    last = upstream_figures([similarities], np.array(["a"]), labels, np.array(["1"]), groups, [1], removed_last=True)
    assert last["mAP"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_blocks_with_queries_that_find_nothing_change_the_mean() -> None:
    hits = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]], bool)
    whole = dict(block_figures(hits, [1]))
    first, second = dict(block_figures(hits[:2], [1])), dict(block_figures(hits[2:], [1]))
    assert whole["recall@1"] == pytest.approx(1 / 3)
    assert (first["recall@1"] + second["recall@1"]) / 2 == pytest.approx(1 / 2)
    assert whole["precision@1"] == pytest.approx(1 / 4)
    assert np.isinf(first["mINP"])
    assert np.isnan(dict(block_figures(hits[1:2], [1]))["mAP"])


def test_where_nothing_is_removed_and_everything_found_only_the_last_rank_differs() -> None:
    rng = np.random.default_rng(0)
    pools = [
        Pool(
            rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 3, n).astype(str), np.arange(n).astype(str) + s
        )
        for n, s in ((20, "q"), (30, "g"))
    ]
    old = evaluate_retrieval(lambda pool: pool, *pools, protocol_of(EVERY, {"upstream_metrics": True}))
    new = rank_pools(*pools, protocol_of(EVERY)).means()
    for name, value in old.items():
        assert (value == pytest.approx(new[name])) == (name != "mINP")


def test_what_the_old_stack_did_not_print_is_refused() -> None:
    pool = Pool(np.eye(3, dtype=np.float32), np.array(["a"] * 3), np.array(["1", "2", "3"]))
    with pytest.raises(ValueError, match="RPrecision"):
        evaluate_retrieval(
            lambda chosen: chosen, pool, None, protocol_of([{"RPrecision": {}}], {"upstream_metrics": True})
        )


@pytest.mark.shared
@fixtures
@pytest.mark.parametrize("name", SETTINGS)
def test_whole_evaluations_of_the_old_stack(name: str) -> None:
    data = fixture(f"retrieval_{name}.npz")
    cameras = "query_camera" in data
    queries, gallery = (
        Pool(
            data[f"{side}_feat"],
            data[f"{side}_label"].astype(str),
            np.array([f"{side}{i}" for i in range(len(data[f"{side}_feat"]))]),
            data[f"{side}_camera"].astype(str) if cameras else None,
        )
        for side in ("query", "gallery")
    )
    protocol = protocol_of(EVERY, {"upstream_metrics": True, **SETTINGS[name]})
    found = evaluate_retrieval(lambda pool: pool, queries, gallery, protocol)
    stored = {ours: float(data[f"result_{theirs}"]) for ours, theirs in RESULTS.items() if f"result_{theirs}" in data}
    assert len(stored) >= 3
    tolerance = 0.03 if name == "rerank" else 6e-6  # half precision within; else five decimals
    assert {key: found[key] for key in stored} == pytest.approx(stored, abs=tolerance)


@pytest.mark.shared
@fixtures
@pytest.mark.parametrize("name", ["nomask", "mask", "single_relevant_first"])
def test_single_blocks_of_the_old_stack(name: str) -> None:
    data = fixture(f"metric_block_{name}.npz")
    similarities = data["similarity"]
    kept = data.get("keep_mask", np.ones(similarities.shape, bool))
    order = np.argsort(-similarities, axis=1, kind="stable")  # as given: similarity 0 comes from outside of the metrics
    relevant = data["query_label"] == data["gallery_label"].T
    found = dict(block_figures(np.take_along_axis(relevant & kept, order, axis=1), [1, 5, 10]))
    stored = {ours: f"metric_{theirs}" for ours, theirs in RESULTS.items()} | {"recall@10": "metric_recall10"}
    for ours, theirs in stored.items():
        if theirs in data:
            assert found[ours] == pytest.approx(float(data[theirs]), abs=1e-6)
