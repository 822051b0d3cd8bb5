import numpy as np
import pytest

from training.evaluation.open_set import acceptance_threshold, detection_rates, open_set_auroc


def test_auroc_is_the_share_of_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(3, 12, 40) / 10, rng.integers(0, 9, 30) / 10
    pairs = [(a > b) + 0.5 * (a == b) for a in known for b in unknown]
    assert open_set_auroc(known, unknown) == pytest.approx(np.mean(pairs))


def test_the_threshold_lets_as_many_unknown_ones_through_as_were_asked_and_no_more() -> None:
    rng = np.random.default_rng(1)
    unknown = rng.integers(0, 50, 200) / 50
    for rate in (0.0, 0.004, 0.05, 0.5):
        threshold = acceptance_threshold(unknown, rate)
        assert (unknown > threshold).mean() <= rate
        lower = unknown[unknown < threshold].max() if (unknown < threshold).any() else -np.inf
        assert (unknown > lower).mean() > rate
    assert acceptance_threshold(unknown, 1.0) == -np.inf


def test_detection_counts_the_accepted_and_identification_the_rightly_named_among_them() -> None:
    known = np.array([0.9, 0.8, 0.7, 0.2])
    right = np.array([True, False, True, True])
    unknown = np.array([0.75, 0.3, 0.1, 0.0])
    assert detection_rates(known, right, unknown, 0.0) == (0.5, 0.25)
    assert detection_rates(known, right, unknown, 0.25) == (0.75, 0.5)


def test_without_unknown_queries_there_is_no_rate() -> None:
    with pytest.raises(ValueError, match="unknown"):
        open_set_auroc(np.ones(2), np.array([]))
    with pytest.raises(ValueError, match="unknown"):
        acceptance_threshold(np.array([]), 0.1)
