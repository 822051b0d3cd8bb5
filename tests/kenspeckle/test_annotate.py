"""Annotated pictures: what is drawn is where it should be, and everything else stays."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kenspeckle.annotate import COLOURS, annotate, caption
from kenspeckle.types import Recognition, RecognizedObject


def thing(box: tuple[float, float, float, float], decision: str = "known", label: str = "Tea", **other: Any) -> Any:
    candidates = [{"item_id": str(i), "label": name, "similarity": 0.8, "reference_id": "r"}
                  for i, name in enumerate([label, "Green tea"])]  # fmt: skip
    fields = {
        "box": box, "source": "detector", "detection_score": 0.9, "decision": decision,
        "label": None if decision == "unknown" else label, "item_id": None, "probability": 0.5, "similarity": 0.8,
        "margin": 0.1, "p_value": 0.01, "reason": "", "candidates": candidates, **other,
    }  # fmt: skip
    return RecognizedObject.model_validate(fields)


def answer(width: int, height: int, *things: Any) -> Recognition:
    return Recognition.model_validate(
        {
            "image": {"width": width, "height": height, "sha256": ""},
            "objects": [found.model_dump() for found in things],
            "gallery": {"name": "g", "revision": 1},
            "models": {"detector": None, "extractor": "sha256:1"},
            "request_id": "",
        }
    )


def drawn_near(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    return (np.abs(np.asarray(picture, int) - np.array(colour)).max(axis=2) < 40).nonzero()


@pytest.mark.parametrize("decision", ["known", "ambiguous", "unknown"])
def test_the_frame_has_the_colour_of_the_decision_and_the_place_of_the_box(decision: Any) -> None:
    picture = annotate(Image.new("RGB", (400, 300), "white"), answer(400, 300, thing((100, 90, 300, 250), decision)))
    rows, columns = drawn_near(picture, COLOURS[decision])
    below_plate = rows > 95
    assert columns[below_plate].min() == pytest.approx(100, abs=4)
    assert columns[below_plate].max() == pytest.approx(300, abs=4)
    assert rows.max() == pytest.approx(250, abs=4)
    assert picture.getpixel((200, 170)) == (255, 255, 255)


def test_solid_dashed_and_dotted_frames_differ_in_more_than_colour() -> None:
    shares = []
    for decision in ("known", "ambiguous", "unknown"):
        picture = annotate(Image.new("RGB", (400, 300), "white"), answer(400, 300, thing((60, 60, 340, 260), decision)))
        line = np.asarray(picture.convert("L"), int)[257:263, 90:310].min(axis=0)
        shares.append((line < 250).mean())
    assert shares[0] == 1.0
    assert 0.4 < shares[1] < 0.9
    assert shares[2] < 0.9


def test_boxes_are_scaled_to_the_picture_that_is_drawn_on() -> None:
    picture = annotate(Image.new("RGB", (200, 150), "white"), answer(400, 300, thing((100, 90, 300, 250))))
    rows, columns = drawn_near(picture, COLOURS["known"])
    assert rows.max() == pytest.approx(125, abs=4)
    assert columns.max() == pytest.approx(150, abs=4)


def test_controls_in_a_label_are_drawn_as_blanks() -> None:
    pictures = [
        annotate(Image.new("RGB", (300, 200)), answer(300, 200, thing((50, 60, 250, 180), label=label)))
        for label in ("a\nb\x1bc", "a b c")
    ]
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_the_given_picture_stays_as_it_is() -> None:
    image = Image.new("RGB", (200, 150), "white")
    before = image.tobytes()
    annotate(image, answer(200, 150, thing((10, 10, 100, 100))))
    assert image.tobytes() == before


def test_captions_say_what_was_decided() -> None:
    box = (0.0, 0.0, 1.0, 1.0)
    assert caption(thing(box)) == ("Tea", "50%")
    assert caption(thing(box, "ambiguous")) == ("Tea?", "50%")
    assert caption(thing(box, "unknown")) == ("unknown", "perhaps Tea")
    assert caption(thing(box, "unknown", probability=0.01)) == ("unknown", "")


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.lists(st.tuples(*[st.floats(-50, 350)] * 4), max_size=4),
    st.text(max_size=80),
)
def test_any_box_and_any_label_can_be_drawn(width: int, height: int, boxes: list[Any], label: str) -> None:
    things = [thing(box, ("known", "ambiguous", "unknown")[index % 3], label) for index, box in enumerate(boxes)]
    picture = annotate(Image.new("L", (width, height)), answer(width, height, *things))
    assert picture.size == (width, height)
    assert picture.mode == "RGB"
