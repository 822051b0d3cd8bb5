"""Retrieval figures against a slow formula written here, the reference arrays, and a memory bound."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.binary import Binarisation, binary_codes
from training.evaluation.metrics import (
    Removal,
    block_rows,
    cosine_blocks,
    leave_one_out,
    retrieval_figures,
    topk_accuracy,
)

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", Path(__file__).parents[4] / "shared"))
FIXTURES = SHARED / "reference/fixtures/recmodel"
fixtures = pytest.mark.skipif(not FIXTURES.exists(), reason=f"no reference arrays at {FIXTURES} (KENSPECKLE_SHARED)")


def slow_figures(similarities: np.ndarray, relevant: np.ndarray, kept: np.ndarray, ks: list[int]) -> dict[str, float]:
    """The definitions, read aloud: walk down each ranking of the kept entries and count."""
    rows = []
    for s, r, k in zip(similarities, relevant, kept, strict=True):
        places = [place for place in range(len(s)) if k[place]]
        ranking = [bool(r[place]) for place in sorted(places, key=lambda place: (-s[place], place))]
        total = sum(ranking)
        if not total:
            continue
        row = {f"recall@{n}": float(any(ranking[:n])) for n in ks}
        row |= {f"precision@{n}": sum(ranking[:n]) / n for n in ks}
        hits = [rank for rank, hit in enumerate(ranking, 1) if hit]
        row["mAP"] = sum(sum(ranking[:rank]) / rank for rank in hits) / total
        row["mINP"] = total / hits[-1]
        row["R-precision"] = sum(ranking[:total]) / total
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def fixture(name: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / name, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(seed=st.integers(0, 2**16), rule=st.sampled_from(["none", "self", "photo", "camera"]), ties=st.booleans())
@settings(max_examples=40, deadline=None)
def test_figures_are_those_of_walking_down_the_ranking(seed: int, rule: str, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(40, 6)).astype(np.float32)
    vectors = np.sign(vectors).astype(np.float32) if ties else vectors
    labels, groups = rng.integers(0, 6, 40), rng.integers(0, 9, 40)
    same_label, same_group = labels[:, None] == labels[None], groups[:, None] == groups[None]
    removals = {
        "none": (None, np.ones((40, 40), bool)),
        "self": (leave_one_out(40), ~np.eye(40, dtype=bool)),
        "photo": (Removal(groups, groups), ~same_group),
        "camera": (Removal(groups, groups, same_label_only=True), ~(same_group & same_label)),
    }
    removal, kept = removals[rule]
    blocks = cosine_blocks(vectors, vectors, memory_bytes=4 * 40 * 7)
    figures = retrieval_figures(blocks, labels, labels, removal, ks=[1, 3])
    expected = slow_figures(vectors @ vectors.T, same_label & kept, kept, [1, 3])
    assert figures.means() == pytest.approx(expected, abs=1e-12)


def test_queries_without_a_relevant_entry_do_not_count_and_their_nearest_is_still_told() -> None:
    gallery = np.eye(3, dtype=np.float32)
    queries = np.array([[0.9, 0.1, 0], [0, 0.2, 0.8]], np.float32)
    figures = retrieval_figures(
        cosine_blocks(queries, gallery), np.array(["a", "stranger"]), np.array(["a", "b", "c"]), ks=[1]
    )
    assert figures.answerable().tolist() == [True, False]
    assert figures.means()["recall@1"] == 1
    assert figures.nearest.tolist() == [0, 2]
    assert figures.similarity.tolist() == pytest.approx([0.9, 0.8])


def test_nothing_to_measure_and_broken_embeddings_are_told() -> None:
    one = np.ones((1, 2), np.float32)
    with pytest.raises(ValueError, match="no query has another picture"):
        retrieval_figures(cosine_blocks(one, one), np.array([1]), np.array([1]), leave_one_out(1)).means()
    with pytest.raises(ValueError, match="not finite"):
        retrieval_figures(cosine_blocks(one * np.nan, one), np.array([1]), np.array([1]))


def test_mean_figures_do_not_depend_on_the_block_size() -> None:
    rng = np.random.default_rng(3)
    vectors, labels = np.sign(rng.normal(size=(60, 16))).astype(np.float32), rng.integers(0, 40, 60)
    whole, small = (
        retrieval_figures(cosine_blocks(vectors, vectors, size), labels, labels, leave_one_out(60)).means()
        for size in (1 << 20, 4 * 60)
    )
    assert whole == small


def test_sixty_thousand_by_sixty_thousand_fits_into_two_gigabytes() -> None:
    """By computation: both sets, one block, and the sort keys of a row."""
    count, dim = 60_000, 512
    block = block_rows(count) * count * 4
    row = count * 8 * 6
    assert 2 * count * dim * 4 + 2 * block + row < 1.0e9


def test_memory_is_bounded_by_the_block_and_not_by_the_product() -> None:
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(1200, 16)).astype(np.float32), rng.integers(0, 300, 1200)
    tracemalloc.start()
    retrieval_figures(cosine_blocks(vectors, vectors, 150_000), labels, labels, leave_one_out(1200))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < vectors.shape[0] ** 2 * 4 / 5


@pytest.mark.shared
@fixtures
def test_figures_of_the_reference_sets() -> None:
    cases = json.loads((FIXTURES / "retrieval_correct.json").read_text(encoding="utf-8"))["cases"]
    for case in cases:
        data = fixture(case["file"])
        normed = case["file"] != "retrieval_nonorm.npz"
        queries, gallery = ((unit(data[f"{s}_feat"]) if normed else data[f"{s}_feat"]) for s in ("query", "gallery"))
        removal = None
        if "query_camera" in data:
            removal = Removal(data["query_camera"], data["gallery_camera"], same_label_only=True)
        figures = retrieval_figures(
            cosine_blocks(queries, gallery), data["query_label"], data["gallery_label"], removal, ks=[1, 5]
        )
        means = figures.means()
        for name, value in case["correct"].items():
            assert means[name.replace("recall", "recall@")] == pytest.approx(value, abs=1e-6), (case["file"], name)
        assert (~figures.answerable()).sum() == case["queries_without_relevant"]


@pytest.mark.shared
@fixtures
@pytest.mark.parametrize("method", ["sign", "round"])
def test_figures_of_binary_codes_lie_within_what_the_order_of_ties_decides(method: Binarisation) -> None:
    """The reference breaks ties (many, with 16 bits) by an unstable sort: best and worst order bound it."""
    data = fixture(f"retrieval_{method}_nonorm.npz")
    queries, gallery = (binary_codes(data[f"{side}_feat"], method) for side in ("query", "gallery"))
    relevant = data["query_label"][:, None] == data["gallery_label"][None]
    worst, ours, best = (
        retrieval_figures(
            [queries @ gallery.T + np.float32(push) * relevant], data["query_label"], data["gallery_label"], ks=[1, 5]
        ).means()
        for push in (-0.01, 0, 0.01)
    )
    for name, stored in (("recall@1", "recall1"), ("recall@5", "recall5"), ("mAP", "mAP")):
        for value in (ours[name], float(data[f"result_{stored}"])):
            assert worst[name] <= value <= best[name]
    assert ours["recall@1"] == pytest.approx(float(data["result_recall1"]), abs=1e-6)


@pytest.mark.shared
@fixtures
def test_leave_one_out_recall_of_the_pair_scripts() -> None:
    data = fixture("pairs2018_recall.npz")
    vectors, labels = unit(data["x"]), data["label"]
    means = retrieval_figures(cosine_blocks(vectors, vectors), labels, labels, leave_one_out(len(labels))).means()
    for k in (1, 5, 10):
        assert means[f"recall@{k}"] == pytest.approx(float(data[f"recall{k}"]))


@pytest.mark.shared
@fixtures
def test_classification_accuracy_of_the_reference() -> None:
    data = fixture("metric_topkacc.npz")
    accuracy = topk_accuracy(data["logits"], data["label"][:, 0], [1, 5, 99])
    assert accuracy["top1"] == pytest.approx(float(data["top1"]))
    assert accuracy["top5"] == pytest.approx(float(data["top5"]))
    assert accuracy["top99"] == 1


def test_topk_accuracy_counts_own_classes_among_the_largest() -> None:
    logits = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1]], np.float32)
    assert topk_accuracy(logits, np.array([0, 1, 2]), [1, 2, 3]) == pytest.approx(
        {"top1": 1 / 3, "top2": 2 / 3, "top3": 1}
    )


LARGE = """
import resource, sys
import numpy as np
from training.evaluation.metrics import cosine_blocks, leave_one_out, retrieval_figures

count = int(sys.argv[1])
rng = np.random.default_rng(0)
labels = rng.integers(0, count // 6, count)
vectors = rng.standard_normal((count, 512), np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
retrieval_figures(cosine_blocks(vectors, vectors.copy()), labels, labels, leave_one_out(count)).means()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_sixty_thousand_by_sixty_thousand_is_measured_within_two_gigabytes() -> None:
    """Peak memory of a process of its own, everything in it counted; both sides are there as arrays of their own."""
    command = [sys.executable, "-c", LARGE, "60000"]
    result = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 2_000_000_000
