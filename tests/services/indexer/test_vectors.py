"""The exact index, the cohort's maxima and generations against plain numpy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.indexer.vectors.cohort import NOTHING, CohortMaxima
from services.indexer.vectors.flat import FlatIndex
from services.indexer.vectors.generation import Generations
from services.indexer.vectors.index import VectorIndex
from tests.services.indexer.helpers import vectors

KINDS = [FlatIndex]
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "negative", "reload"]), st.integers(0, 2**16)), min_size=1, max_size=12
)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_an_index_agrees_with_brute_force_after_any_changes(
    kind: type[FlatIndex], steps: list[tuple[str, int]]
) -> None:
    index: VectorIndex = kind(8)
    model: dict[int, np.ndarray] = {}
    next_id = 5
    for step, seed in steps:
        if step in ("add", "negative"):
            new = vectors(seed, 1 + seed % 5, 8)
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


def _assert_same_answers(index: VectorIndex, model: dict[int, np.ndarray], seed: int) -> None:
    queries = vectors([seed, 1], 20, 8)
    excluded = np.array(sorted(model)[::2], np.int64)
    for exclude in (None, excluded):
        allowed = {one: v for one, v in model.items() if exclude is None or one not in excluded}
        similarities, ids = index.search(queries, 4, exclude)
        assert similarities.shape == ids.shape == (20, 4)
        count = min(4, len(allowed))
        assert (ids[:, count:] == -1).all()
        for query, got, found in zip(queries, similarities, ids, strict=True):
            expected = sorted((float(query @ v) for v in allowed.values()), reverse=True)[:4]
            np.testing.assert_allclose(got[:count], expected, atol=1e-6)
            exact = [float(query @ allowed[one]) for one in found[:count].tolist()]
            np.testing.assert_allclose(got[:count], exact, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_does_not_depend_on_what_else_is_asked(kind: type[FlatIndex]) -> None:
    index = kind(512)
    index.add(np.arange(5000), vectors(1, 5000, 512))
    queries = vectors(2, 400, 512)
    together, ids = index.search(queries, 10)
    for row, query in enumerate(queries[::8]):
        alone, same = index.search(query[None], 10)
        np.testing.assert_array_equal(alone[0], together[8 * row])
        np.testing.assert_array_equal(same[0], ids[8 * row])


def test_an_index_is_not_made_of_arrays_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="as many ids"):
        FlatIndex.load({"ids": np.arange(3), "vectors": vectors(1, 2)})
    with pytest.raises(ValueError, match="missing"):
        FlatIndex.load({"ids": np.arange(3)})


@given(steps=STEPS)
@settings(max_examples=80, deadline=None)
def test_maxima_stay_those_of_a_full_comparison(steps: list[tuple[str, int]]) -> None:
    cohort = vectors(77, 30, 8)
    index, maxima = FlatIndex(8), CohortMaxima(cohort)
    labelled: dict[int, np.ndarray] = {}
    negative: dict[int, np.ndarray] = {}
    for number, (step, seed) in enumerate(steps):
        ids = np.arange(number * 10, number * 10 + 1 + seed % 3)
        new = vectors(seed, len(ids), 8)
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
            restored = CohortMaxima(cohort)
            assert restored.restore(maxima.save())
            maxima = restored
        members = np.concatenate([cohort, *[v[None] for v in negative.values()]])
        expected = np.full(len(members), NOTHING)
        if labelled:
            expected = (members @ np.stack(list(labelled.values())).T).max(axis=1)
        np.testing.assert_allclose(maxima.maxima, expected, atol=1e-6)
        assert maxima.size == len(members)


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
