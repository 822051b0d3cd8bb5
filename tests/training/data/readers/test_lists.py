from pathlib import Path
from typing import Any

import pytest

from training.data.labels import LabelledSet
from training.data.readers import DATASETS, ListError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def read(root: Path, text: str, name: str = "ImageNetDataset", **more: Any) -> LabelledSet:
    (root / "list.txt").write_text(text, encoding="utf-8")
    return DATASETS.build({"name": name, "image_root": str(root), "cls_label_path": str(root / "list.txt"), **more})


def rows(found: LabelledSet, root: Path) -> list[tuple[str, int, str | None]]:
    return [
        (one.path.relative_to(root).as_posix(), int(label), one.group)
        for one, label in zip(found.pictures, found.labels, strict=True)
    ]


def test_path_and_label(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/2.jpg")
    assert rows(read(tmp_path, "a/1.jpg 4\n\na/2.jpg 0\r\n"), tmp_path) == [("a/1.jpg", 4, None), ("a/2.jpg", 0, None)]


def test_a_third_column_is_the_camera_or_unique_id(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    found = read(tmp_path, "1.jpg 100000 7\n2.jpg  5\n", "VeriWild", relabel=True)
    assert rows(found, tmp_path) == [("1.jpg", 1, "7"), ("2.jpg", 0, None)]
    assert found.classes == {"5": 0, "100000": 1}


def test_paths_and_labels_with_spaces_work_with_tabs(tmp_path: Path) -> None:
    touch(tmp_path, "my photos/one 1.jpg", "x.jpg")
    found = read(tmp_path, "\ufeffmy photos/one 1.jpg\toat milk\nx.jpg\ttea\n")
    assert rows(found, tmp_path) == [("my photos/one 1.jpg", 0, None), ("x.jpg", 1, None)]
    assert found.classes == {"oat milk": 0, "tea": 1}


def test_a_path_with_spaces_without_tabs_says_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg")
    with pytest.raises(
        ListError, match=r"list\.txt:2: 4 columns at white space, wanted at most 3.*separate.* by a tab"
    ):
        read(tmp_path, "x.jpg 1\nmy photos/one 1.jpg 3\n")


def test_a_delimiter_of_ones_own(tmp_path: Path) -> None:
    touch(tmp_path, "a b.jpg")
    assert rows(read(tmp_path, "a b.jpg;3\n", delimiter=";"), tmp_path) == [("a b.jpg", 3, None)]
    with pytest.raises(ListError, match=r"list\.txt:1: 1 columns at ';', wanted 2: 'a b.jpg 3'"):
        read(tmp_path, "a b.jpg 3\n", delimiter=";")


def test_the_old_default_delimiter_is_any_white_space(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    assert rows(read(tmp_path, "a.jpg   3\n", delimiter=" "), tmp_path) == [("a.jpg", 3, None)]


def test_cartoon_lists_have_tabs(tmp_path: Path) -> None:
    touch(tmp_path, "a b.jpg")
    assert rows(read(tmp_path, "a b.jpg\t3\n", "ICartoonDataset"), tmp_path) == [("a b.jpg", 3, None)]


@pytest.mark.parametrize("separator", [" ", "\t"])
@pytest.mark.parametrize("name", ["LogoDataset", "SOPDataset"])
def test_lists_with_a_header_count_classes_from_1(tmp_path: Path, name: str, separator: str) -> None:
    touch(tmp_path, "bicycle/1.JPG", "bicycle/2.JPG")
    lines = ["image_id class_id super_class_id path", "1 1 1 bicycle/1.JPG", "2 7 1 bicycle/2.JPG"]
    found = read(tmp_path, "\n".join(lines).replace(" ", separator), name)
    assert rows(found, tmp_path) == [("bicycle/1.JPG", 0, None), ("bicycle/2.JPG", 6, None)]


def test_a_class_below_the_first_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "1.JPG")
    with pytest.raises(ListError, match=r"list\.txt:1: label '0' is no number from 1"):
        read(tmp_path, "1 0 1 1.JPG", "SOPDataset")


def comp_cars(root: Path, label_file: str) -> LabelledSet:
    touch(root, "image/78/1.5/0a.x.jpg", "image/79/b.jpg")
    for name in ("78/1", "79/b"):
        (root / "label" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "label" / f"{name}.txt").write_text(label_file)
    (root / "list.txt").write_text("78/1.5/0a.x.jpg 0\n79/b.jpg 1\n")
    return DATASETS.build(
        {
            "name": "CompCars", "image_root": str(root / "image"), "cls_label_path": str(root / "list.txt"),
            "label_root": str(root / "label"), "bbox_crop": True,
        }
    )  # fmt: skip


def test_boxes_of_comp_cars_come_from_the_last_line_of_the_label_file(tmp_path: Path) -> None:
    found = comp_cars(tmp_path, "1\n1\n11 48 844 502\n\n")
    assert [one.box for one in found.pictures] == [(11, 48, 844, 502)] * 2


def test_a_label_file_without_a_box_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListError, match=r"label/78/1\.txt:2: the last line is no box"):
        comp_cars(tmp_path, "1\n1 2 3")


def test_a_missing_picture_is_found_at_the_start(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    text = "1.jpg 0\n2.jpg 0\n3.jpg 1\n"
    with pytest.raises(ListError, match=r"list\.txt:2: no such picture: .*2\.jpg \(and 1 others of 3\); is image_root"):
        read(tmp_path, text)
    assert len(read(tmp_path, text, check_files=False)) == 3


@pytest.mark.parametrize("path", ["../x.jpg", "/etc/passwd", "a/../../x.jpg", ".."])
def test_a_path_that_leads_out_of_the_root_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ListError, match=r"list\.txt:1: .* leads out of .*allow_outside"):
        read(tmp_path, f"{path} 0\n")


def test_a_path_outside_is_read_if_that_is_stated(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    touch(tmp_path, "x.jpg")
    assert len(read(tmp_path / "root", "../x.jpg 0\n", allow_outside=True)) == 1


def test_lists_that_are_missing_empty_or_binary_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no\.txt: no such list file"):
        DATASETS.build({"name": "VeriWild", "image_root": str(tmp_path), "cls_label_path": str(tmp_path / "no.txt")})
    with pytest.raises(ValueError, match=r"list\.txt: the list is empty"):
        read(tmp_path, "\n")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe1\x00")
    with pytest.raises(ValueError, match=r"b\.txt: not UTF-8 text"):
        DATASETS.build({"name": "VeriWild", "image_root": str(tmp_path), "cls_label_path": str(tmp_path / "b.txt")})
