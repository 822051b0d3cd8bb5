"""kenspeckle gallery import: everything once, whatever happens in between."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from kenspeckle.cli.gallery.importing import item_id_of


def add_pictures(root: Path, count: int) -> None:
    (root / "Many").mkdir(parents=True)
    for index in range(count):
        (root / "Many" / f"{index:03}.png").write_bytes(b"picture %d" % index)


def test_a_folder_becomes_one_item_a_label(command: Any, photos: Path, service: Any) -> None:
    result = command("gallery", "import", photos, "--gallery", "shop")
    assert result.exit_code == 0
    assert "3 pictures added to gallery shop." in result.output
    counts = {name: len(item["references"]) for name, item in service.galleries["shop"].items()}
    assert counts == {"Tea": 2, "Mug": 1}


def test_a_second_run_adds_nothing_and_says_so(command: Any, photos: Path, service: Any) -> None:
    command("gallery", "import", photos)
    result = command("gallery", "import", photos)
    assert result.exit_code == 0
    assert "0 pictures added to gallery default; 3 were there from an earlier run" in result.output
    assert len(service.enrolled) == 3


def test_again_adds_everything_once_more(command: Any, photos: Path, service: Any) -> None:
    command("gallery", "import", photos)
    assert "3 pictures added" in command("gallery", "import", photos, "--again").output
    assert len(service.enrolled) == 6


def test_an_interrupted_import_goes_on_where_it_stopped(command: Any, tmp_path: Path, service: Any) -> None:
    add_pictures(tmp_path / "many", 30)
    service.down_after = 11
    stopped = command("gallery", "import", tmp_path / "many")
    assert stopped.exit_code == 1
    assert "goes on from there" in stopped.output
    assert len(service.enrolled) == 11
    service.down_after = None
    assert command("gallery", "import", tmp_path / "many").exit_code == 0
    assert len(service.enrolled) == 30
    assert len(service.galleries["default"]["Many"]["references"]) == 30


def test_rows_are_not_doubled_even_if_their_answers_were_lost(
    command: Any, photos: Path, service: Any, tmp_path: Path
) -> None:
    command("gallery", "import", photos)
    for state in (tmp_path / "cache").rglob("*.rows"):
        state.unlink()
    command("gallery", "import", photos)
    assert len(service.enrolled) == 3


def test_the_same_row_twice_counts_once(command: Any, photos: Path, service: Any, tmp_path: Path) -> None:
    source = photos.parent / "list.txt"
    source.write_text("photos/Tea/a.png\tTea\nphotos/Tea/a.png\tTea\n")
    result = command("gallery", "import", source)
    assert "1 rows say the same as another" in result.output
    assert len(service.enrolled) == 1


def test_failed_rows_are_reported_and_can_be_imported_when_mended(command: Any, photos: Path, service: Any) -> None:
    broken = photos / "Mug" / "broken.png"
    broken.write_bytes(b"broken")
    service.refuse.add(b"broken")
    result = command("gallery", "import", photos)
    assert result.exit_code == 1
    assert "3 pictures added to gallery default; 1 failed." in result.output
    report = photos.parent / "photos.failed.csv"
    (row,) = csv.DictReader(io.StringIO(report.read_text()))
    assert (row["path"], row["label"]) == (str(broken), "Mug")
    assert "truncated" in row["problem"]
    broken.write_bytes(b"mended")
    assert command("gallery", "import", report).exit_code == 0
    assert len(service.galleries["default"]["Mug"]["references"]) == 2


def test_a_clean_run_removes_the_report_of_the_run_before(command: Any, photos: Path, service: Any) -> None:
    broken = photos / "Mug" / "broken.png"
    broken.write_bytes(b"broken")
    service.refuse.add(b"broken")
    command("gallery", "import", photos)
    service.refuse.clear()
    assert command("gallery", "import", photos).exit_code == 0
    assert not (photos.parent / "photos.failed.csv").exists()


def test_json_has_a_line_for_every_row_and_the_sum(command: Any, photos: Path) -> None:
    lines = [json.loads(line) for line in command("gallery", "import", photos, "--json").stdout.splitlines()]
    assert [line.get("item_id") for line in lines[:3]] == ["Mug", "Tea", "Tea"]
    assert lines[3]["summary"] == {"added": 3, "already": 0, "repeated": 0, "failed": 0, "report": None}


def test_unknown_things_are_for_evaluation_alone(command: Any, photos: Path, service: Any) -> None:
    (photos / "_unknown").mkdir()
    (photos / "_unknown" / "x.png").write_bytes(b"x")
    assert command("gallery", "import", photos).exit_code == 0
    assert len(service.enrolled) == 3


def test_a_csv_sends_ids_boxes_and_metadata(command: Any, photos: Path, service: Any) -> None:
    source = photos / "list.csv"
    source.write_text('image,label,item_id,box,metadata.shelf\nTea/a.png,Tea,t9,"0,0,5,5",top\n')
    assert command("gallery", "import", source).exit_code == 0
    sent = service.enrolled[0]
    assert (sent["item_id"], sent["box"], sent["metadata"]) == ("t9", "[0.0, 0.0, 5.0, 5.0]", '{"shelf": "top"}')


@pytest.mark.parametrize("label", ["a/b", "x" * 200, "a b"])
def test_any_label_gives_an_item_id(label: str) -> None:
    made = item_id_of(label)
    assert len(made) <= 128
    assert "/" not in made
    assert made == item_id_of(label)
    assert (made == label) == (label == "a b")


def test_what_cannot_be_imported_is_one_sentence(command: Any, tmp_path: Path) -> None:
    result = command("gallery", "import", tmp_path / "gone.csv")
    assert result.exit_code == 1
    assert "there is no such file" in result.output
    assert command("gallery", "import", tmp_path / "gone.tar").exit_code == 1
