"""kenspeckle recognize."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

HOSTILE = "\x1b]0;gone\x07[bold red]Tea[/]\x9b31m\u202egnp"


@pytest.fixture
def tea(command: Any, photos: Path) -> Path:
    picture = photos / "Tea" / "a.png"
    assert command("gallery", "add", picture, "--label", "Tea").exit_code == 0
    return picture


def test_a_table_says_what_is_there_and_why(command: Any, tea: Path) -> None:
    result = command("recognize", tea)
    assert result.exit_code == 0
    for text in (str(tea), "● known", "Tea", "97%", "10 20 110 90", "because of its p value"):
        assert text in result.output


def test_an_unknown_thing_is_shown_with_its_guess(command: Any, tea: Path, photos: Path) -> None:
    result = command("recognize", photos / "Mug" / "a.png")
    assert "○ unknown" in result.output
    assert "(perhaps Tea)" in result.output


def test_json_is_one_object_a_line_in_the_order_given(command: Any, tea: Path, photos: Path) -> None:
    result = command("recognize", photos, "--json")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(answer["file"]).relative_to(photos).as_posix() for answer in answers] == [
        "Mug/a.png", "Tea/a.png", "Tea/b.png"]  # fmt: skip
    assert [answer["objects"][0]["decision"] for answer in answers] == ["unknown", "known", "unknown"]


def test_one_bad_picture_is_told_and_does_not_stop_the_others(
    command: Any, tea: Path, photos: Path, service: Any
) -> None:
    bad = photos / "Mug" / "bad.jpg"
    bad.write_bytes(b"no picture")
    service.refuse.add(b"no picture")
    result = command("recognize", bad, tea, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert lines[0]["problem"]["detail"] == "image: this is no picture"
    assert lines[1]["objects"][0]["label"] == "Tea"


def test_annotated_pictures_keep_the_folders_of_their_names(
    command: Any, tea: Path, photos: Path, tmp_path: Path
) -> None:
    result = command("recognize", photos, "--annotate", tmp_path / "out")
    assert result.exit_code == 0
    with Image.open(tmp_path / "out" / "Tea" / "a.jpg") as drawn, Image.open(tea) as plain:
        assert drawn.size == plain.size
        assert drawn.convert("RGB").tobytes() != plain.convert("RGB").tobytes()
    assert (tmp_path / "out" / "Mug" / "a.jpg").exists()


def test_text_from_outside_neither_steers_the_terminal_nor_is_markup(command: Any, photos: Path, service: Any) -> None:
    command("gallery", "add", photos / "Tea" / "a.png", "--label", "Tea")
    service.galleries["default"]["made"]["label"] = HOSTILE
    recognize, show = ["recognize", photos / "Tea" / "a.png"], ["gallery", "show"]
    for arguments in (recognize, [*recognize, "--json"], show, [*show, "--json"], [*show, "--item", "made"]):
        result = command(*arguments)
        assert result.exit_code == 0
        assert not set(result.output) & {"\x1b", "\x07", "\x9b", "\u202e"}, arguments
        assert "[bold red]Tea[/]" in result.output.replace("\n", "") or "Tea[/]" in result.output


def test_what_is_not_there_is_a_usage_error(command: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, reason in ((tmp_path / "nothing.jpg", "there is no such"), (tmp_path / "empty", "holds no pictures")):
        result = command("recognize", source)
        assert result.exit_code == 2
        assert reason in " ".join(result.output.replace("│", " ").split())


def test_a_missing_gallery_is_one_sentence(command: Any, photos: Path) -> None:
    result = command("recognize", photos / "Tea" / "a.png", "--gallery", "shop")
    assert result.exit_code == 1
    assert "there is no gallery shop" in result.output
    assert "Traceback" not in result.output
