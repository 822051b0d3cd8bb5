import numpy as np

from training.evaluation.pool import Pool
from training.evaluation.retrieval import draw_references, figures_of_queries, hits_at_1, leave_one_out_hits
from training.evaluation.statistics import bootstrap_interval


def pool(count: int, labels: int, seed: int, photos: int | None = None) -> Pool:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    names = np.array([f"l{i}" for i in rng.integers(0, labels, count)])
    taken = np.array([f"p{i}" for i in (np.arange(count) if photos is None else rng.integers(0, photos, count))])
    return Pool(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), names, taken)


def test_a_hit_is_the_label_of_the_nearest_reference() -> None:
    queries, gallery = pool(30, 4, 0), pool(20, 4, 1)
    expected = []
    for vector, label in zip(queries.vectors, queries.labels, strict=True):
        best = max(range(20), key=lambda i: float(vector @ gallery.vectors[i]))
        expected.append(gallery.labels[best] == label)
    assert hits_at_1(queries, gallery).tolist() == expected


def test_leave_one_out_never_finds_the_same_photo() -> None:
    members = pool(30, 3, 2, photos=12)
    expected = []
    for i in range(30):
        others = [j for j in range(30) if members.photos[j] != members.photos[i]]
        best = max(others, key=lambda j: float(members.vectors[i] @ members.vectors[j]))
        expected.append(members.labels[best] == members.labels[i])
    assert leave_one_out_hits(members).tolist() == expected


def test_references_are_drawn_from_every_label() -> None:
    members = pool(40, 4, 3)
    drawn = members.labels[draw_references(members, 3, np.random.default_rng(0))]
    assert {label: int((drawn == label).sum()) for label in np.unique(members.labels)} == dict.fromkeys(
        np.unique(members.labels), 3
    )


def test_the_interval_is_wider_when_few_photos_hold_all_values() -> None:
    values = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    apart = bootstrap_interval(values, np.arange(200).astype(str))
    together = bootstrap_interval(np.sort(values), (np.arange(200) // 20).astype(str))
    assert apart[0] < values.mean() < apart[1]
    assert together[1] - together[0] > apart[1] - apart[0]


def test_average_precision_counts_every_reference_of_the_label() -> None:
    gallery = Pool(np.eye(4, dtype=np.float32), np.array(["a", "b", "a", "b"]), np.arange(4).astype(str))
    query = np.array([[0.8, 0.5, 0.3, 0.1]], np.float32)
    queries = Pool(query / np.linalg.norm(query), np.array(["a"]), np.array(["q"]))
    assert figures_of_queries(queries, gallery).tolist() == [[1.0, (1 / 1 + 2 / 3) / 2]]


def test_a_query_without_a_reference_of_its_label_finds_nothing() -> None:
    gallery = Pool(np.eye(2, dtype=np.float32), np.array(["a", "a"]), np.array(["0", "1"]))
    queries = Pool(np.eye(2, dtype=np.float32)[:1], np.array(["b"]), np.array(["q"]))
    assert figures_of_queries(queries, gallery).tolist() == [[0.0, 0.0]]
