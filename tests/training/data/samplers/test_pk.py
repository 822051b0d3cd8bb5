import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.samplers import SAMPLERS, PKSampler

COUNTS = [1, 2, 3, 5, 8, 8, 13, 4, 6, 10]
LABELS = np.repeat(np.arange(10), COUNTS)


def test_classes_differ_and_have_their_pictures_side_by_side() -> None:
    sampler = PKSampler(LABELS, 16, 4, drop_last=False)
    batches = list(sampler.batches(0))
    assert len(batches) == len(sampler) == 4
    for batch in batches:
        rows = LABELS[np.array(batch)].reshape(4, 4)
        assert (rows == rows[:, :1]).all()
        assert len(set(rows[:, 0])) == 4
        for group in np.array(batch).reshape(4, 4):
            distinct = len(set(group.tolist()))
            assert distinct == min(4, COUNTS[LABELS[group[0]]])


@pytest.mark.parametrize(
    ("method", "id_list", "ratio", "wanted"),
    [
        ("sample_avg_prob", None, None, np.array(COUNTS) / 60),
        ("id_avg_prob", None, None, np.full(10, 0.1)),
        ("id_avg_prob", [2, 3, 7, 8], [4, 2], np.array([1, 1, 4, 4, 1, 1, 1, 2, 2, 1]) / 18),
    ],
)
def test_probabilities_of_classes(method, id_list, ratio, wanted) -> None:  # type: ignore[no-untyped-def]
    """The values of the reference stack for these counts (its file of sampler runs has them as fractions)."""
    sampler = PKSampler(LABELS, 16, 4, sample_method=method, id_list=id_list, ratio=ratio)
    assert sampler.probabilities == pytest.approx(wanted)


def test_a_class_is_drawn_first_as_often_as_its_probability_says() -> None:
    sampler = PKSampler(LABELS, 1, 1)
    firsts = Counter(int(LABELS[batch[0]]) for epoch in range(80) for batch in sampler.batches(epoch))
    drawn = np.array([firsts[number] for number in range(10)]) / (80 * 60)
    wanted = np.array(COUNTS) / 60
    assert (np.abs(drawn - wanted) < 4.5 * np.sqrt(wanted * (1 - wanted) / 4800)).all()


def test_positions_in_id_list_are_of_first_appearance() -> None:
    sampler = PKSampler([7, 7, 3, 3, 5, 5], 4, 2, sample_method="id_avg_prob", id_list=[0, 0], ratio=[2])
    assert sampler.probabilities == pytest.approx([0.5, 0.25, 0.25])
    seven = sum(0 in batch or 1 in batch for epoch in range(100) for batch in sampler.batches(epoch))
    assert seven > 70


def test_ranks_joined_are_the_batches_of_one_process_and_share_no_class() -> None:
    ours = [list(PKSampler(LABELS, 8, 4, rank=rank, world_size=2).batches(3)) for rank in (0, 1)]
    alone = list(PKSampler(LABELS, 16, 4).batches(3))
    assert [a + b for a, b in zip(*ours, strict=True)] == alone
    assert all(not set(LABELS[a]) & set(LABELS[b]) for a, b in zip(*ours, strict=True))


def test_draws_follow_seed_and_epoch() -> None:
    assert list(PKSampler(LABELS, 8, 4, seed=1).batches(1)) == list(PKSampler(LABELS, 8, 4, seed=1).batches(1))
    assert list(PKSampler(LABELS, 8, 4, seed=1).batches(1)) != list(PKSampler(LABELS, 8, 4, seed=2).batches(1))
    assert list(PKSampler(LABELS, 8, 4).batches(1)) != list(PKSampler(LABELS, 8, 4).batches(2))
    still = PKSampler(LABELS, 8, 4, shuffle=False)
    assert list(still.batches(1)) == list(still.batches(2))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 20), st.integers(1, 6), st.booleans())
def test_any_small_data_give_batches(labels: list[int], batch_size: int, each: int, drop_last: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = PKSampler(labels, batch_size, each, drop_last=drop_last)
    batches = list(sampler.batches(0))
    assert len(batches) == len(sampler) >= 1
    assert all(0 < len(batch) <= batch_size for batch in batches)
    wanted = min(len(set(labels)), max(1, batch_size // each))
    assert all(len({labels[i] for i in batch}) == wanted for batch in batches)


def test_too_few_classes_warn_with_what_is_done_instead() -> None:
    message = r"a batch of 256 with 4 pictures per class is not possible with 10 classes.*10 classes x 4 pictures = 40"
    with pytest.warns(UserWarning, match=message):
        SAMPLERS.build({"name": "PKSampler", "batch_size": 256, "sample_per_id": 4}, labels=LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_method": "all"}, "sample_method is sample_avg_prob or id_avg_prob, got 'all'"),
        ({"id_list": [0, 1], "ratio": [1, 2]}, "a start and an end for each of 2 ratios"),
        ({"id_list": [5, 10], "ratio": [4]}, r"5\.\.10 \(times 4\) does not fit 10 classes"),
        ({"world_size": 11}, "10 classes are fewer than 11 processes"),
        ({"sample_per_id": 0}, "must be positive"),
    ],
)
def test_impossible_parameters_are_named(options: dict[str, object], message: str) -> None:
    config = {"name": "PKSampler", "batch_size": 8, "sample_per_id": 4, **options}
    with pytest.raises(ValueError, match=message):
        SAMPLERS.build(config, labels=LABELS)
