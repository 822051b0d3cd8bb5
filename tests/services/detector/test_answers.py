"""Deciding on regions and which objects of a picture are reported."""

from typing import Any

from kenspeckle.decision import Calibrator
from kenspeckle.types import Candidate, RecognizedObject, SearchHit
from services.detector.answers import Region, Rule, judge, kept

CALIBRATOR = Calibrator(intercept=-6, similarity=8, margin=10, log_p=-0.3, margin_cap=0.3)
RULE = Rule(0.05, CALIBRATOR, 0.8, 199)
WHOLE = (0.0, 0.0, 100.0, 100.0)
BIG = (5.0, 5.0, 98.0, 97.0)
SMALL = (10.0, 10.0, 40.0, 40.0)
BESIDE = (12.0, 10.0, 42.0, 40.0)
FAR = (60.0, 60.0, 90.0, 90.0)


def seen(box: Any, decision: str, label: str | None = None, probability: float = 0.9, source: str = "detector") -> Any:
    return RecognizedObject.model_validate(
        {
            "box": box,
            "source": source,
            "detection_score": None,
            "decision": decision,
            "label": label,
            "item_id": label,
            "probability": probability,
            "similarity": 0.5,
            "margin": None,
            "p_value": 0.01,
            "reason": "because",
            "candidates": [],
        }
    )


def hit(similarity: float = 0.9, p: float | None = 0.005, label: str | None = "tea", **other: Any) -> SearchHit:
    candidate = Candidate(item_id="item", label=label, similarity=similarity, reference_id="reference")
    return SearchHit(
        candidates=[candidate],
        other_label=other.get("other_label"),
        other_similarity=other.get("other_similarity"),
        p_value=p,
    )


def test_a_near_hit_is_known_and_carries_the_figures() -> None:
    found = judge(Region(SMALL, "detector", 0.7), hit(), RULE)
    assert (found.decision, found.label, found.item_id, found.similarity) == ("known", "tea", "item", 0.9)
    assert (found.box, found.source, found.detection_score, found.p_value) == (SMALL, "detector", 0.7, 0.005)


def test_an_empty_gallery_answers_unknown() -> None:
    found = judge(
        Region(SMALL, "given", None),
        SearchHit(candidates=[], other_label=None, other_similarity=None, p_value=None),
        RULE,
    )
    assert (found.decision, found.similarity, found.p_value) == ("unknown", None, None)
    assert found.reason == "The gallery is empty."


def test_a_close_sibling_makes_it_ambiguous_and_both_are_given() -> None:
    found = judge(Region(SMALL, "given", None), hit(0.7, other_label="coffee", other_similarity=0.695), RULE)
    assert (found.decision, found.label) == ("ambiguous", "tea")
    assert "coffee" in found.reason


def test_nearest_to_a_negative_is_unknown_with_its_guess() -> None:
    found = judge(Region(SMALL, "given", None), hit(label=None), RULE)
    assert (found.decision, found.label, len(found.candidates)) == ("unknown", None, 1)


def test_overlapping_boxes_of_one_label_keep_the_most_probable() -> None:
    objects = [seen(SMALL, "known", "tea", 0.8), seen(BESIDE, "known", "tea", 0.9), seen(FAR, "known", "tea", 0.7)]
    assert kept(objects, 0.5) == [1, 2]


def test_overlapping_boxes_of_two_labels_both_stay() -> None:
    assert kept([seen(SMALL, "known", "tea"), seen(BESIDE, "known", "milk")], 0.5) == [0, 1]


def test_unknown_boxes_suppress_nothing() -> None:
    assert kept([seen(SMALL, "unknown"), seen(BESIDE, "unknown"), seen(BESIDE, "known", "tea")], 0.5) == [0, 1, 2]


def test_the_whole_picture_is_silent_while_something_else_was_found() -> None:
    assert kept([seen(SMALL, "unknown"), seen(WHOLE, "unknown", source="whole")], 0.5) == [0]


def test_the_whole_picture_speaks_where_nothing_was_detected() -> None:
    assert kept([seen(WHOLE, "unknown", source="whole")], 0.5) == [0]


def test_the_whole_picture_adds_a_label_that_no_box_has() -> None:
    objects = [seen(SMALL, "known", "tea"), seen(WHOLE, "known", "milk", source="whole")]
    assert kept(objects, 0.5) == [0, 1]


def test_the_whole_picture_repeats_no_label() -> None:
    objects = [seen(SMALL, "known", "tea", 0.81), seen(WHOLE, "known", "tea", 0.99, source="whole")]
    assert kept(objects, 0.5) == [0]


def test_a_worse_view_of_the_known_whole_goes() -> None:
    whole = seen(WHOLE, "known", "tea", source="whole")
    assert kept([seen(BIG, "unknown"), whole], 0.5) == [1]
    assert kept([seen(BIG, "ambiguous", "tea"), whole], 0.5) == [1]
    assert kept([seen(SMALL, "unknown"), whole], 0.5) == [0, 1]
    assert kept([seen(BIG, "known", "milk"), whole], 0.5) == [0, 1]
