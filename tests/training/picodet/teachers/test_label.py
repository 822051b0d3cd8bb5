import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from training.picodet.cli import app
from training.picodet.data import DataError, read_coco
from training.picodet.evaluation.detectors import Detections
from training.picodet.teachers.agreement import Rule
from training.picodet.teachers.label import Origin, Teacher, open_teacher, picture_files, pseudo_labels, write_coco

CUP, TIN = [10.0, 10, 50, 50], [60.0, 60, 90, 90]
ORIGIN = Origin("shop", "Photos of a shop", "MIT")


def teacher(name, *boxes):
    found = Detections(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), 0.8))
    return Teacher(name, "Apache-2.0", "sha256:0", lambda image: found)


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos/deep").mkdir(parents=True)
    for name in ("a.jpg", "deep/b.PNG"):
        Image.new("RGB", (100, 100)).save(tmp_path / "photos" / name)
    (tmp_path / "photos/notes.txt").write_text("")
    return tmp_path / "photos"


def test_what_is_written_can_be_trained_on(photos, tmp_path):
    teachers = [teacher("one", CUP), teacher("two", CUP, TIN)]
    content = pseudo_labels(picture_files(photos), teachers, Rule(agree=2), ORIGIN, tmp_path)
    write_coco(content, tmp_path / "boxes.json")
    first, second = read_coco(tmp_path / "boxes.json")
    assert first.path == photos / "a.jpg"
    assert second.path == photos / "deep/b.PNG"
    assert (first.source, first.credit, first.licence) == ("shop", "Photos of a shop", "MIT")
    assert first.objects.tolist() == [CUP]
    assert first.ignored.tolist() == [TIN]


def test_the_file_says_who_drew_and_by_which_rule(photos, tmp_path):
    content = pseudo_labels(picture_files(photos), [teacher("one", CUP)], Rule(min_score=0.4), ORIGIN, tmp_path)
    assert content["info"]["teachers"] == [{"name": "one", "licence": "Apache-2.0", "fingerprint": "sha256:0"}]
    assert content["info"]["rule"]["min_score"] == 0.4
    assert content["info"]["pictures_seen"] == 2
    assert content["annotations"][0]["teachers"] == ["one"]
    assert content["annotations"][0]["score"] == 0.8
    assert {image["box_origin"] for image in content["images"]} == {"teacher"}


def test_pictures_without_an_agreed_box_are_left_out(photos, tmp_path):
    teachers = [teacher("one", CUP), teacher("two", TIN)]
    assert pseudo_labels(picture_files(photos), teachers, Rule(agree=2), ORIGIN, tmp_path)["images"] == []


def test_a_list_names_pictures_beside_it(photos):
    (photos / "list.txt").write_text("deep/b.PNG\tcup\n\n")
    assert picture_files(photos / "list.txt") == [photos / "deep/b.PNG"]


def test_what_cannot_be_used_is_named(photos, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="none: no pictures"):
        picture_files(tmp_path / "none")
    (photos / "a.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"a\.jpg: cannot be read as a picture"):
        pseudo_labels([photos / "a.jpg"], [teacher("one", CUP)], Rule(), ORIGIN, tmp_path)
    (tmp_path / "x.onnx").write_text("")
    with pytest.raises(DataError, match="write an adapter"):
        open_teacher(tmp_path / "x.onnx")
    with pytest.raises(DataError, match=r"none.*card\.json"):
        open_teacher(tmp_path / "none")


def test_a_picture_that_exif_turns_is_refused(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    with pytest.raises(DataError, match="EXIF"):
        pseudo_labels([tmp_path / "turned.jpg"], [teacher("one", CUP)], Rule(), ORIGIN, tmp_path)


def test_the_shipped_bundle_can_teach(photos, tmp_path):
    from training.picodet.package import REPOSITORY

    out = tmp_path / "boxes.json"
    arguments = [str(photos), "--teacher", str(REPOSITORY / "models/detector"), "--licence", "MIT", "--out", str(out)]
    result = CliRunner().invoke(app, ["pseudo-label", *arguments, "--min-score", "0.0"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_text())
    assert content["info"]["teachers"][0]["fingerprint"].startswith("sha256:")
    assert "of 2 pictures" in result.output


def test_more_agreement_than_teachers_is_refused(photos, tmp_path):
    arguments = [str(photos), "--teacher", "x", "--licence", "MIT", "--out", str(tmp_path / "o.json"), "--agree", "2"]
    result = CliRunner().invoke(app, ["pseudo-label", *arguments])
    assert result.exit_code == 2
    assert "there are 1 teachers" in result.output
