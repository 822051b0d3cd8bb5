"""The grocery benchmark counts rightly and goes on where it was cut off."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.grocery.data import Grocery, Photo
from benchmarks.grocery.sights import Sights
from benchmarks.grocery.tally import OUTCOMES, best_object, outcome, share_with_interval
from kenspeckle.types import Candidate, RecognizedObject


def thing(decision: Any, label: str | None, best: str | None, probability: float = 0.5) -> RecognizedObject:
    candidates = [Candidate(item_id="1", label=best, similarity=0.5, reference_id="r")] if best else []
    return RecognizedObject(
        box=(0, 0, 1, 1), source="whole", detection_score=None, decision=decision, label=label, item_id=None,
        probability=probability, similarity=None, margin=None, p_value=None, reason="", candidates=candidates,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (thing("known", "tea", "tea"), {"top-1 label", "known and right"}),
        (thing("known", "milk", "milk"), {"known but wrong"}),
        (thing("ambiguous", "tea", "tea"), {"top-1 label", "ambiguous"}),
        (thing("unknown", None, "milk"), {"unknown"}),
        (thing("unknown", None, None), {"unknown"}),
        (None, {"unknown"}),
    ],
)
def test_an_answer_counts_as_what_it_is(answer: RecognizedObject | None, expected: set[str]) -> None:
    assert {name for name, is_one in zip(OUTCOMES, outcome("tea", answer), strict=True) if is_one} == expected


def test_the_most_probable_object_answers_for_the_photo() -> None:
    sure = thing("known", "tea", "tea", 0.9)
    assert best_object([thing("known", "milk", "milk", 0.8), sure, thing("unknown", None, None, 0.1)]) is sure
    assert best_object([]) is None


def test_the_interval_is_that_of_the_mean() -> None:
    hits = np.array([1.0] * 80 + [0.0] * 20)
    share, low, high = share_with_interval(hits, np.ones(100))
    spread = 1.96 * np.sqrt(0.8 * 0.2 / 100)
    assert share == 0.8
    assert (low, high) == pytest.approx((0.8 - spread, 0.8 + spread), abs=0.02)


class Eyes:
    """Stands for a service: counts what it is shown."""

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, content: bytes, **_: Any) -> Any:
        self.seen += 1
        found = [SimpleNamespace(box=(0.0, 0.0, 5.0, 5.0), score=0.9)]
        return SimpleNamespace(objects=found, image=SimpleNamespace(width=10, height=8))

    def recognize(self, content: bytes, *, boxes: list[Any], **_: Any) -> Any:
        vectors = [[float(content[0]), float(index)] for index in range(len(boxes))]
        return SimpleNamespace(objects=[SimpleNamespace(embedding=vector) for vector in vectors])


def grocery(folder: Path) -> Grocery:
    (folder / "boxes").mkdir()
    (folder / "classes.csv").write_text("fine,group\ntea,Packages\npear,Fruit\n")
    (folder / "boxes/localizer.json").write_text(json.dumps({"images": {"0.jpg": {"boxes": [[1, 1, 4, 4]]}}}))
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(bytes([number]))
    return Grocery(folder)


def test_what_was_seen_is_not_looked_at_again(tmp_path: Path) -> None:
    data, file = grocery(tmp_path), tmp_path / "work" / "seen.jsonl"
    photos = [Photo(tmp_path / f"{number}.jpg", "tea") for number in range(4)]
    Sights(first := Eyes(), data, file, "empty", 5).of(photos[:3])  # type: ignore[arg-type]
    whole = file.read_text()
    file.write_text(whole[:-40])  # the last line is broken off
    sights = Sights(second := Eyes(), data, file, "empty", 5).of(photos)  # type: ignore[arg-type]
    assert (first.seen, second.seen) == (3, 2)
    assert [[region.source for region in sight.regions] for sight in sights[:2]] == [
        ["detector", "whole", "given"],
        ["detector", "whole"],
    ]
    assert [sight.vectors[:, 0].tolist() for sight in sights] == [[0, 0, 0], [1, 1], [2, 2], [3, 3]]
    # And the file is whole again.
    assert len(Sights(third := Eyes(), data, file, "empty", 5).of(photos)) == 4  # type: ignore[arg-type]
    assert third.seen == 0
