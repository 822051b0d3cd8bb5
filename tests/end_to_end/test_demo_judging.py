"""The demo judges answers by place and label."""

from examples.demo.rates import Rates, overlap, rates
from examples.rendering.scenes import Shown
from examples.rendering.things import Thing, things
from kenspeckle.decision import Verdict
from kenspeckle.types import Box, RecognizedObject

LEFT, RIGHT = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)


def found(box: Box, decision: Verdict, label: str | None) -> RecognizedObject:
    return RecognizedObject(
        box=box, source="detector", detection_score=0.9, decision=decision, label=label, item_id=None, probability=0.5,
        similarity=0.5, margin=0.1, p_value=0.01, reason="", candidates=[],
    )  # fmt: skip


def pair() -> tuple[Thing, Thing]:
    first, second = things(3, 2)
    return first, second


def test_overlap_is_one_for_the_same_box_and_nothing_for_boxes_apart() -> None:
    assert overlap(LEFT, LEFT) == 1.0
    assert overlap(LEFT, RIGHT) == 0.0


def test_a_right_name_in_the_right_place_counts_as_named() -> None:
    known, stranger = pair()
    shown = (Shown(known, LEFT), Shown(stranger, RIGHT))
    objects = [found(LEFT, "known", known.label), found(RIGHT, "unknown", None)]
    assert rates([(shown, objects)], {known.label}) == Rates(
        enrolled=1, named=1, offered=0, strangers=1, unnamed=1, unknown=1, wrong=0
    )


def test_a_right_name_in_the_wrong_place_is_wrong() -> None:
    known, stranger = pair()
    shown = (Shown(known, LEFT), Shown(stranger, RIGHT))
    counted = rates([(shown, [found(RIGHT, "known", known.label)])], {known.label})
    assert counted == Rates(enrolled=1, named=0, offered=0, strangers=1, unnamed=0, unknown=0, wrong=1)


def test_a_name_for_something_that_is_not_shown_is_wrong() -> None:
    known, _ = pair()
    counted = rates([((Shown(known, LEFT),), [found(RIGHT, "known", known.label)])], {known.label})
    assert (counted.named, counted.wrong) == (0, 1)


def test_an_ambiguous_answer_is_offered_and_neither_named_nor_wrong() -> None:
    known, _ = pair()
    counted = rates([((Shown(known, LEFT),), [found(LEFT, "ambiguous", known.label)])], {known.label})
    assert (counted.named, counted.offered, counted.wrong) == (0, 1, 0)


def test_a_stranger_that_is_offered_labels_is_unnamed_but_not_called_unknown() -> None:
    known, stranger = pair()
    counted = rates([((Shown(stranger, LEFT),), [found(LEFT, "ambiguous", known.label)])], {known.label})
    assert (counted.unnamed, counted.unknown) == (1, 0)


def test_something_else_that_is_called_unknown_is_counted_apart() -> None:
    known, _ = pair()
    objects = [found(LEFT, "known", known.label), found(RIGHT, "unknown", None)]
    counted = rates([((Shown(known, LEFT),), objects)], {known.label})
    assert (counted.named, counted.unknown, counted.others) == (1, 0, 1)


def test_a_part_of_a_thing_may_bear_its_name_but_is_not_the_thing_found() -> None:
    known, stranger = pair()
    part = found((1.0, 1.0, 9.0, 4.0), "known", known.label)
    counted = rates([((Shown(known, LEFT),), [part])], {known.label})
    assert (counted.named, counted.wrong) == (0, 0)
    counted = rates([((Shown(stranger, LEFT),), [part])], {known.label})
    assert (counted.unnamed, counted.wrong) == (0, 1)


def test_thresholds_need_all_rates() -> None:
    good = Rates(enrolled=20, named=20, offered=0, strangers=2, unnamed=2, unknown=2, wrong=0)
    assert good.met
    assert not Rates(enrolled=20, named=7, offered=8, strangers=2, unnamed=2, unknown=2, wrong=0).met
    assert not Rates(enrolled=20, named=9, offered=1, strangers=2, unnamed=2, unknown=2, wrong=0).met
    assert not Rates(enrolled=20, named=20, offered=0, strangers=2, unnamed=0, unknown=0, wrong=0).met
    assert not Rates(enrolled=20, named=20, offered=0, strangers=2, unnamed=2, unknown=2, wrong=9).met
