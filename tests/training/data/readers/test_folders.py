from pathlib import Path

import pytest

from training.data.readers import DATASETS


def names(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_each_folder_is_a_class(tmp_path: Path) -> None:
    found = DATASETS.build(
        {"name": "FolderDataset", "image_root": str(names(tmp_path, "b/1.jpg", "a/x/2.PNG", "a/n.txt"))}
    )
    assert found.classes == {"a": 0, "b": 1}
    assert [one.path.name for one in found.pictures] == ["2.PNG", "1.jpg"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Market1501", "market1501/Market-1501-v15.09.15"),
        ("DukeMTMC", "dukemtmc/DukeMTMC-reID"),
        ("MSMT17", "msmt17/MSMT17_V1"),
        ("Market1501", "."),
    ],
)
def test_names_state_identity_and_camera(tmp_path: Path, name: str, place: str) -> None:
    files = ("1500_c6s3_086542_02.jpg", "0002_c1s1_000451_03.jpg", "-1_c3s2_000093_02.jpg", "Thumbs.db")
    names(tmp_path, *(f"{place}/bounding_box_train/{file}" for file in files), f"{place}/query/0007_c2s3_1_2.jpg")
    found = DATASETS.build({"name": name, "image_root": str(tmp_path), "cls_label_path": "bounding_box_train"})
    assert found.groups == ["0", "5"]
    assert found.labels.tolist() == [0, 1]
    query = DATASETS.build({"name": name, "image_root": str(tmp_path), "cls_label_path": "query"})
    assert query.labels.tolist() == [7]


def test_what_is_missing_or_named_otherwise_is_an_error(tmp_path: Path) -> None:
    config = {"name": "Market1501", "image_root": str(tmp_path), "cls_label_path": "query"}
    with pytest.raises(ValueError, match=r"Market1501: no folder .*market1501.* or .*query"):
        DATASETS.build(config)
    (tmp_path / "query").mkdir()
    with pytest.raises(ValueError, match="query: no pictures"):
        DATASETS.build(config)
    names(tmp_path, "query/cat.jpg")
    with pytest.raises(ValueError, match=r"cat\.jpg: the name states no identity and camera"):
        DATASETS.build(config)
