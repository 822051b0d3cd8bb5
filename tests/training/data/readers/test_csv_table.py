from pathlib import Path
from typing import Any

import pytest

from training.data.labels import LabelledSet
from training.data.readers import DATASETS, ListError

BOX = ["x0", "y0", "x1", "y1"]


def read(root: Path, text: str, **more: Any) -> LabelledSet:
    (root / "a b.jpg").touch()
    (root / "t.csv").write_text(text, encoding="utf-8")
    return DATASETS.build(
        {"name": "CsvDataset", "image_root": str(root), "cls_label_path": str(root / "t.csv"), **more}
    )


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    text = 'cam,label,file,x0,y0,x1,y1\n3,"oat, milk",a b.jpg,1,2,3.5,4\n4,tea,a b.jpg,,,,\n'
    found = read(tmp_path, text, path_column="file", group_column="cam", box_columns=BOX)
    assert found.classes == {"oat, milk": 0, "tea": 1}
    assert [(one.box, one.group) for one in found.pictures] == [((1, 2, 3.5, 4), "3"), (None, "4")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na b.jpg,1\n", r"t\.csv: no column 'label' among path, class"),
        ("", r"t\.csv: no column 'path' among none"),
        ("path,label\n", r"t\.csv: the table is empty"),
        ("path,label\na b.jpg,1\nc.jpg,1\n", r"t\.csv:3: no such picture: .*c\.jpg"),
        ("path,label\na b.jpg\n", r"t\.csv:2: fewer columns than the header"),
        ("path,label\n../a.jpg,1\n", r"t\.csv:2: .*leads out of"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(("box", "message"), [("1,2,1,4", "the box .* is empty"), ("1,2,x,4", "could not convert")])
def test_a_box_that_is_none_is_named(tmp_path: Path, box: str, message: str) -> None:
    with pytest.raises(ListError, match=rf"t\.csv:2: {message}"):
        read(tmp_path, f"path,label,x0,y0,x1,y1\na b.jpg,1,{box}\n", box_columns=BOX)
