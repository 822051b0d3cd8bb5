"""kenspeckle gallery evaluate: the figures are right, and the page holds what it shows."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from kenspeckle.cli.gallery.evaluation import Outcome, confusions, curve, summarise, worst
from kenspeckle.cli.gallery.page import Case, page, plot


def outcome(truth: str | None, guess: str, verdict: Any, p_value: float, probability: float = 0.9) -> Outcome:
    answer = None if verdict == "unknown" else guess
    return Outcome(Path(f"{truth}.jpg"), None, truth, verdict, answer, guess, "i", "r", probability, p_value, "why")


OUTCOMES = [
    outcome("tea", "tea", "known", 0.01),
    outcome("tea", "mug", "known", 0.02),
    outcome("mug", "mug", "unknown", 0.3, 0.4),
    outcome("mug", "tea", "ambiguous", 0.04),
    outcome(None, "tea", "known", 0.03),
    outcome(None, "mug", "unknown", 0.5),
]


def test_shares_are_counted_by_hand() -> None:
    summary = summarise(OUTCOMES)
    assert (summary.known, summary.unknown) == (4, 2)
    assert summary.recall_at_1 == 0.5
    assert summary.known_right == 0.25
    assert summary.known_wrong == 0.25
    assert summary.ambiguous == 0.25
    assert summary.called_unknown == 0.25
    assert summary.false_accepts == 0.5


def test_nothing_to_count_gives_no_share() -> None:
    summary = summarise([outcome("tea", "tea", "known", 0.01)])
    assert summary.false_accepts is None
    assert summary.curve[0].false is None


def test_the_curve_counts_what_each_rate_accepts() -> None:
    points = curve([o for o in OUTCOMES if o.truth], [o for o in OUTCOMES if not o.truth])
    assert [(point.rate, point.right, point.false) for point in points] == [
        (0.01, 0.25, 0.0), (0.02, 0.25, 0.0), (0.03, 0.25, 0.5), (0.04, 0.25, 0.5), (0.3, 0.5, 0.5), (0.5, 0.5, 1.0)
    ]  # fmt: skip


def test_confusions_name_both_labels() -> None:
    assert confusions([*OUTCOMES[:4], OUTCOMES[1]]) == [("tea", "mug", 2), ("mug", "tea", 1)]


def test_the_worst_come_first_and_what_is_right_is_left_out() -> None:
    found = worst(OUTCOMES, 10)
    assert found[:2] == [OUTCOMES[1], OUTCOMES[4]]
    assert OUTCOMES[0] not in found
    assert OUTCOMES[5] not in found


def test_the_page_escapes_everything_and_loads_nothing(pictures: dict[str, bytes]) -> None:
    hostile = '"><script>alert(1)</script>'
    entry = outcome(hostile, hostile + "2", "known", 0.01)
    text = page(hostile, summarise([entry]), [Case(entry, pictures["red"], None)])
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"https?://|src='(?!data:)", text)


def test_the_plot_stays_inside_its_frame() -> None:
    text = plot(curve(OUTCOMES[:4], OUTCOMES[4:]))
    corners = [
        tuple(map(float, pair.split(","))) for line in re.findall(r"points='([^']+)'", text) for pair in line.split()
    ]
    assert all(0 <= x <= 640 and 0 <= y <= 300 for x, y in corners)
    assert len(re.findall("<polyline", text)) == 2


@pytest.fixture
def labelled(command: Any, photos: Path, pictures: dict[str, bytes]) -> Path:
    command("gallery", "import", photos)
    (photos / "_unknown").mkdir()
    (photos / "_unknown" / "x.png").write_bytes(pictures["blue"])
    return photos


def test_a_folder_is_evaluated_with_its_unknowns(command: Any, labelled: Path) -> None:
    result = command("gallery", "evaluate", labelled, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["known"], found["unknown"]) == (3, 1)
    assert found["recall_at_1"] == found["known_right"] == 1.0
    assert found["false_accepts"] == 0.0


def test_a_wrong_name_is_a_confusion_and_a_case_on_the_page(
    command: Any, labelled: Path, service: Any, pictures: dict[str, bytes], tmp_path: Path
) -> None:
    (labelled / "Mug" / "really tea.png").write_bytes(pictures["red"])
    service.decisions[hashlib.sha256(pictures["blue"]).hexdigest()] = "known"
    result = command("gallery", "evaluate", labelled, "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    assert "Confusions" in result.output
    text = (tmp_path / "page.html").read_text()
    assert text.count("class='case'") == 2
    assert text.count("data:image/jpeg;base64,") == 4
    assert "really tea.png" in text


def test_pictures_that_cannot_be_used_are_told(command: Any, labelled: Path, service: Any) -> None:
    (labelled / "Mug" / "bad.png").write_bytes(b"bad")
    service.refuse.add(b"bad")
    result = command("gallery", "evaluate", labelled)
    assert result.exit_code == 1
    assert "1 pictures could not be used" in result.output
    assert "this is no picture" in result.output
