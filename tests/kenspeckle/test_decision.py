"""The decision rule and its figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kenspeckle.decision import (
    Calibrator,
    LeaveOut,
    Match,
    decide,
    expected_calibration_error,
    p_values,
    probability,
    standing,
)

CALIBRATOR = Calibrator(intercept=-12, similarity=10, margin=20, log_p=-0.3, margin_cap=0.3)
similarity = st.floats(-1, 1, width=32)


def match(**changes: object) -> Match:
    facts = {
        "label": "mug",
        "item_id": "1",
        "similarity": 0.9,
        "other_similarity": 0.4,
        "other_label": "cup",
        "p_value": 0.001,
        "cohort_size": 999,
    }
    return Match.model_validate(facts | changes)


@given(arrays(np.float32, st.integers(1, 30), elements=similarity), arrays(np.float32, 5, elements=similarity))
def test_p_is_the_share_of_the_cohort_at_least_as_similar(cohort: np.ndarray, queries: np.ndarray) -> None:
    expected = [(1 + sum(m >= s for m in cohort)) / (len(cohort) + 1) for s in queries]
    np.testing.assert_allclose(p_values(queries, cohort), expected)


@given(arrays(np.float32, 20, elements=similarity), similarity, similarity)
def test_p_falls_as_similarity_grows(cohort: np.ndarray, one: float, two: float) -> None:
    low, high = sorted([np.float32(one), np.float32(two)])
    p_low, p_high = p_values(np.array([low, high], np.float32), cohort)
    assert p_high <= p_low


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 0.5), st.floats(1e-4, 1))
def test_probability_grows_with_similarity_and_with_the_margin(a: float, b: float, margin: float, p: float) -> None:
    low, high = sorted([a, b])
    assert probability(low, margin, p, CALIBRATOR) <= probability(high, margin, p, CALIBRATOR)
    assert probability(a, margin, p, CALIBRATOR) <= probability(a, None, p, CALIBRATOR)


def test_a_clear_match_is_known() -> None:
    decision = decide(match(), 0.05, CALIBRATOR)
    assert (decision.verdict, decision.label, decision.item_id) == ("known", "mug", "1")
    assert decision.probability > 0.95
    assert decision.margin == pytest.approx(0.5)


def test_a_thing_that_unrelated_things_resemble_as_much_is_unknown() -> None:
    decision = decide(match(p_value=0.2), 0.05, CALIBRATOR)
    assert (decision.verdict, decision.label) == ("unknown", None)
    assert "20.00%" in decision.reason


def test_two_close_labels_are_ambiguous_and_the_other_one_is_named() -> None:
    decision = decide(match(other_similarity=0.89), 0.05, CALIBRATOR)
    assert (decision.verdict, decision.label) == ("ambiguous", "mug")
    assert "cup" in decision.reason


def test_a_low_probability_that_no_other_label_explains_is_unknown() -> None:
    assert decide(match(similarity=0.2, other_similarity=None), 0.05, CALIBRATOR).verdict == "unknown"


def test_an_object_nearest_to_a_negative_is_unknown() -> None:
    decision = decide(match(label=None), 0.05, CALIBRATOR)
    assert decision.verdict == "unknown"
    assert "negative" in decision.reason


def test_an_empty_gallery_knows_nothing() -> None:
    assert decide(None, 0.05, CALIBRATOR).verdict == "unknown"


def test_a_rate_below_what_the_cohort_allows_is_said() -> None:
    decision = decide(match(p_value=0.001), 0.0001, CALIBRATOR)
    assert decision.verdict == "unknown"
    assert "cannot promise less than 0.10%" in decision.reason


def test_works_from_one_item_without_any_other_label() -> None:
    assert decide(match(other_similarity=None, other_label=None), 0.05, CALIBRATOR).verdict == "known"


def test_calibration_error_is_zero_where_stated_equals_seen_and_the_gap_otherwise() -> None:
    assert expected_calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0)
    assert expected_calibration_error([0.9] * 10, [False] * 10) == pytest.approx(0.9)


def test_a_p_below_the_floor_adds_nothing_to_the_probability() -> None:
    floored = CALIBRATOR.model_copy(update={"p_floor": 0.1})
    assert probability(0.9, 0.2, 0.001, floored) == probability(0.9, 0.2, 0.1, CALIBRATOR)
    assert probability(0.9, 0.2, 0.5, floored) == probability(0.9, 0.2, 0.5, CALIBRATOR)


def test_kinds_that_the_gallery_holds_do_not_count() -> None:
    rule = LeaveOut(np.array([0, 0, 1, 2, 2, 2, 3]), 0.6)
    assert standing(np.array([0.2, 0.7, 0.5, 0.1, 0.1, 0.1, 0.59]), rule).tolist() == [False] * 2 + [True] * 5
    assert standing(np.array([0.2, 0.3, 0.5, 0.1, 0.1, 0.1, 0.6]), rule).tolist() == [True] * 6 + [False]
    assert standing(np.full(7, 0.5), rule).all()


def test_a_cohort_of_which_more_than_half_would_go_stays_whole() -> None:
    rule = LeaveOut(np.array([0, 0, 1, 1]), 0.6)
    assert standing(np.array([0.9, 0.1, 0.1, 0.1]), rule).tolist() == [False, False, True, True]
    assert standing(np.array([0.9, 0.1, 0.9, 0.1]), rule).all()


def test_leaving_out_what_was_enrolled_lets_the_enrolled_thing_be_known() -> None:
    maxima = np.concatenate([np.full(30, 0.8), np.linspace(0, 0.4, 99)])
    rule = LeaveOut(np.repeat([0, 1], [30, 99]), 0.7)
    query = np.array([0.75])
    assert p_values(query, maxima)[0] > 0.2
    assert p_values(query, maxima[standing(maxima, rule)])[0] == pytest.approx(0.01)
