"""The exact indexes, the cohort's maxima and generations against plain numpy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenspeckle.bits import bit_similarities
from kenspeckle.decision import LeaveOut
from services.indexer.vectors.binary import BinaryIndex
from services.indexer.vectors.cohort import NOTHING, CohortMaxima, cosines
from services.indexer.vectors.flat import FlatIndex
from services.indexer.vectors.generation import Generations
from services.indexer.vectors.index import VectorIndex
from tests.services.indexer.helpers import vectors

KINDS = [FlatIndex, BinaryIndex]
DIM = 64
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "negative", "reload"]), st.integers(0, 2**16)), min_size=1, max_size=12
)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_an_index_agrees_with_brute_force_after_any_changes(
    kind: type[FlatIndex] | type[BinaryIndex], steps: list[tuple[str, int]]
) -> None:
    index: VectorIndex = kind(DIM)
    model: dict[int, np.ndarray] = {}
    next_id = 5
    for step, seed in steps:
        if step in ("add", "negative"):
            new = drawn(kind, seed, 1 + seed % 5)
            ids = np.arange(next_id, next_id + len(new) * 3, 3)
            next_id = int(ids[-1]) + 1
            index.add(ids, new)
            model.update(zip(ids.tolist(), new, strict=True))
        elif step == "remove":
            gone = [one for one in model if (one + seed) % 3 == 0]
            assert index.remove(np.array([*gone, 10**9], np.int64)) == len(gone)
            for one in gone:
                del model[one]
        else:
            index = kind.load(index.save())
        assert index.count == len(model)
        _assert_same_answers(index, model, seed)


def drawn(kind: type[VectorIndex], seed: int | list[int], count: int, dim: int = DIM) -> np.ndarray:
    """Random vectors as the kind takes them: unit vectors, or codes of bits."""
    made = vectors(seed, count, dim)
    return np.where(made > 0, 1, -1).astype(np.float32) / np.float32(np.sqrt(dim)) if kind is BinaryIndex else made


def likeness(kind: type[VectorIndex], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines (N, M), or shares of equal bits."""
    if kind is BinaryIndex:
        return np.asarray(((first > 0)[:, None] == (second > 0)[None]).mean(axis=2))
    return np.asarray(first @ second.T)


def _assert_same_answers(index: VectorIndex, model: dict[int, np.ndarray], seed: int) -> None:
    kind = type(index)
    queries = drawn(kind, [seed, 1], 20)
    excluded = np.array(sorted(model)[::2], np.int64)
    for exclude in (None, excluded):
        allowed = [one for one in model if exclude is None or one not in excluded]
        similarities, ids = index.search(queries, 4, exclude)
        assert similarities.shape == ids.shape == (20, 4)
        count = min(4, len(allowed))
        assert (ids[:, count:] == -1).all()
        if count:
            everything = likeness(kind, queries, np.stack([model[one] for one in allowed]))
            expected = -np.sort(-everything, axis=1)[:, :count]
            np.testing.assert_allclose(similarities[:, :count], expected, atol=1e-6)
            places = np.vectorize(allowed.index)(ids[:, :count])
            exact = np.take_along_axis(everything, places, axis=1)
            np.testing.assert_allclose(similarities[:, :count], exact, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_does_not_depend_on_what_else_is_asked(kind: type[FlatIndex] | type[BinaryIndex]) -> None:
    index = kind(512)
    index.add(np.arange(5000), drawn(kind, 1, 5000, 512))
    queries = drawn(kind, 2, 400, 512)
    together, ids = index.search(queries, 10)
    for row, query in enumerate(queries[::8]):
        alone, same = index.search(query[None], 10)
        np.testing.assert_array_equal(alone[0], together[8 * row])
        np.testing.assert_array_equal(same[0], ids[8 * row])


@pytest.mark.parametrize("kind", KINDS)
def test_saved_vectors_are_those_that_were_added(kind: type[FlatIndex] | type[BinaryIndex]) -> None:
    index, new = kind(DIM), drawn(kind, 3, 6)
    index.add(np.arange(6), new)
    np.testing.assert_allclose(kind.vectors(index.save()), new, atol=1e-7)


def test_bits_take_a_thirty_second_of_the_memory() -> None:
    flat, binary = FlatIndex(512), BinaryIndex(512)
    for index in (flat, binary):
        index.add(np.arange(10), vectors(1, 10, 512))
    assert (flat.memory_bytes, binary.memory_bytes) == (10 * (2048 + 8), 10 * (64 + 8))


def test_an_index_is_not_made_of_arrays_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="as many ids"):
        FlatIndex.load({"ids": np.arange(3), "vectors": vectors(1, 2)})
    with pytest.raises(ValueError, match="missing"):
        FlatIndex.load({"ids": np.arange(3)})
    with pytest.raises(ValueError, match="as many ids"):
        BinaryIndex.load({"ids": np.arange(3), "bits": np.zeros((2, 8), np.uint8)})
    with pytest.raises(ValueError, match="missing"):
        BinaryIndex.load({"ids": np.arange(3), "vectors": vectors(1, 3)})


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_maxima_stay_those_of_a_full_comparison(
    kind: type[FlatIndex] | type[BinaryIndex], steps: list[tuple[str, int]]
) -> None:
    cohort = drawn(kind, 77, 30)
    compare = bit_similarities if kind is BinaryIndex else cosines
    index, maxima = kind(DIM), CohortMaxima(cohort, compare)
    labelled: dict[int, np.ndarray] = {}
    negative: dict[int, np.ndarray] = {}
    for number, (step, seed) in enumerate(steps):
        ids = np.arange(number * 10, number * 10 + 1 + seed % 3)
        new = drawn(kind, seed, len(ids))
        if step == "add":
            index.add(ids, new)
            maxima.add(ids, new)
            labelled.update(zip(ids.tolist(), new, strict=True))
        elif step == "negative":
            index.add(ids, new)
            maxima.add_negatives(ids, new, index)
            negative.update(zip(ids.tolist(), new, strict=True))
        elif step == "remove":
            gone = np.array([one for one in labelled if (one + seed) % 2], np.int64)
            index.remove(gone)
            maxima.remove(gone, index)
            labelled = {one: v for one, v in labelled.items() if one not in gone}
            gone = np.array([one for one in negative if (one + seed) % 2], np.int64)
            index.remove(gone)
            maxima.remove_negatives(gone)
            negative = {one: v for one, v in negative.items() if one not in gone}
        elif not negative:
            restored = CohortMaxima(cohort, compare)
            assert restored.restore(maxima.save())
            maxima = restored
        members = np.concatenate([cohort, *[v[None] for v in negative.values()]])
        expected = np.full(len(members), NOTHING)
        if labelled:
            expected = likeness(kind, members, np.stack(list(labelled.values()))).max(axis=1)
        np.testing.assert_allclose(maxima.maxima, expected, atol=1e-6)
        assert maxima.size == len(members)


def test_members_that_show_what_was_enrolled_count_again_when_it_is_deleted() -> None:
    cohort = np.eye(4, dtype=np.float32)
    index, maxima = FlatIndex(4), CohortMaxima(cohort, leave_out=LeaveOut(np.array([0, 0, 1, 2]), 0.9))
    near, far = np.array([[0.1, 0.99, 0.1, 0.0]], np.float32), np.array([[0.0, 0.5, 0.0, 0.8]], np.float32)
    for number, vectors_ in ((1, near), (2, far)):
        index.add(np.array([number]), vectors_)
        maxima.add(np.array([number]), vectors_)
    assert maxima.size == 2
    np.testing.assert_allclose(maxima.p_values(np.array([0.7], np.float32)), [2 / 3])
    index.add(np.array([3]), near)
    maxima.add_negatives(np.array([3]), near, index)
    assert maxima.size == 3
    index.remove(np.array([1]))
    maxima.remove(np.array([1]), index)
    assert maxima.size == 5
    np.testing.assert_allclose(maxima.p_values(np.array([0.7], np.float32)), [2 / 6])


def test_maxima_of_another_cohort_are_not_taken_over() -> None:
    first = CohortMaxima(vectors(1, 10))
    assert not CohortMaxima(vectors(2, 10)).restore(first.save())


def test_p_counts_the_members_that_are_at_least_as_near() -> None:
    cohort = np.eye(4, dtype=np.float32)
    maxima = CohortMaxima(cohort)
    maxima.add(np.array([1]), np.array([[0.8, 0.6, 0.0, 0.0]], np.float32))
    np.testing.assert_allclose(maxima.p_values(np.array([0.9, 0.7, 0.5, -0.1], np.float32)), [0.2, 0.4, 0.6, 1.0])


def test_a_generation_comes_back_and_replaces_older_ones(tmp_path: Path) -> None:
    generations = Generations(tmp_path)
    generations.save(7, "fp", 3, {"ids": np.arange(3)})
    generations.save(7, "fp", 12, {"ids": np.arange(12)})
    generations.save(70, "fp", 1, {"ids": np.arange(1)})
    loaded = generations.load(7, "fp")
    assert loaded is not None
    assert loaded["ids"].tolist() == list(range(12))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7-12.npz", "70-1.npz"]
    assert generations.load(7, "another function") is None


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_a_broken_generation_is_passed_over(tmp_path: Path, damage: str) -> None:
    generations = Generations(tmp_path)
    generations.save(1, "fp", 1, {"ids": np.arange(1000)})
    path = tmp_path / "1-1.npz"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[content.index(np.arange(1000).tobytes()) + 4000] ^= 1
    broken = {"cut": content[:500], "flip": content, "text": b"hello", "empty": b""}[damage]
    path.write_bytes(bytes(broken))
    assert generations.load(1, "fp") is None


def test_pickles_in_a_generation_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "1-1.npz", format=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert Generations(tmp_path).load(1, "fp") is None
