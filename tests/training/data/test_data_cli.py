import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.training.data.test_duplicates import photo
from training.cli import app
from training.data.adapters import KNOWN_SETS
from training.data.labels import read_classes
from training.data.specs import open_spec, parse_spec


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *(str(argument) for argument in arguments)])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two classes of two pictures."""
    for number in range(4):
        path = tmp_path / f"shop/{'milk' if number < 2 else 'oat tea'}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(number).save(path)
    return tmp_path / "shop"


@pytest.fixture
def test_list(tmp_path: Path) -> Path:
    """Other pictures of the classes 5 and 9."""
    (tmp_path / "test photos").mkdir()
    for number in range(10, 14):
        photo(number).save(tmp_path / f"test photos/{number}.png")
    lines = [f"{number}.png\t{5 if number < 12 else 9}" for number in range(10, 14)]
    (tmp_path / "test photos/list.txt").write_text("\n".join(lines))
    return tmp_path / "test photos/list.txt"


def test_sets_in_order_pass(shop: Path, test_list: Path) -> None:
    result = run("check", shop, test_list, "--class-num", 10)
    assert result.exit_code == 0, result.output
    assert "4 pictures, 2 classes of 2…2 (median 2)" in result.stdout
    assert "8 class numbers have no picture, the first is 0" in result.stdout


def found(*arguments: object) -> tuple[int, dict[str, int], dict[str, object]]:
    result = run("check", *arguments, "--json")
    report = json.loads(result.stdout)
    return result.exit_code, report["counts"], report


def test_a_leak_between_sets_fails(shop: Path, test_list: Path) -> None:
    (test_list.parent / "10.png").write_bytes((shop / "milk/0.png").read_bytes())
    code, counts, report = found(shop, test_list)
    assert (code, counts["leak"]) == (1, 1)
    assert "0.png" in str(report["findings"])


def test_a_near_duplicate_is_told_but_does_not_fail(shop: Path, test_list: Path) -> None:
    photo(1).save(test_list.parent / "10.png", compress_level=1)
    photo(2).resize((70, 70)).save(test_list.parent / "11.png")
    code, counts, _ = found(shop, test_list)
    assert (code, counts["near"]) == (0, 2)


def test_one_picture_under_two_labels_fails(shop: Path) -> None:
    (shop / "oat tea/9.png").write_bytes((shop / "milk/0.png").read_bytes())
    code, counts, _ = found(shop)
    assert (code, counts) == (1, {"conflict": 1})


def test_broken_files_lone_classes_and_labels_beyond_are_counted(test_list: Path) -> None:
    (test_list.parent / "13.png").write_bytes(b"nothing")
    test_list.write_text(test_list.read_text().replace("12.png\t9", "12.png\t8"))
    code, counts, _ = found(test_list, "--class-num", 9)
    assert code == 1
    assert counts == {"broken": 1, "range": 1, "lone": 2, "gap": 1}


def test_boxes_outside_of_their_picture_fail(test_list: Path) -> None:
    table = test_list.with_name("t.csv")
    table.write_text("path,label,x0,y0,x1,y1\n10.png,1,0,0,20,20\n11.png,1,100,0,120,20\n")
    code, counts, _ = found(_boxed(table))
    assert (code, counts) == (1, {"box": 1, "gap": 1})


def _boxed(table: Path) -> str:
    return json.dumps(
        {
            "name": "CsvDataset", "image_root": str(table.parent), "cls_label_path": str(table),
            "box_columns": ["x0", "y0", "x1", "y1"],
        }
    )  # fmt: skip


def test_merged_labels_are_counted_through_and_the_manifest_says_from_where(
    shop: Path, test_list: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out/all.txt"
    result = run("merge", shop, test_list, "--out", out)
    assert result.exit_code == 0, result.output
    merged = open_spec(f"{out},image_root={tmp_path}")
    assert merged.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert merged.class_num == 4
    manifest = json.loads(out.with_name("all.txt.manifest.json").read_text())
    assert (manifest["class_num"], manifest["pictures"], manifest["image_root"]) == (4, 8, str(tmp_path))
    assert [(one["first_label"], one["classes"]) for one in manifest["sets"]] == [(0, 2), (2, 2)]
    assert manifest["classes"]["1"] == f"{shop}/oat tea"
    assert manifest["classes"]["3"] == f"{test_list}/9"


def test_a_picture_of_a_test_set_stops_the_merge_or_is_left_out(shop: Path, test_list: Path, tmp_path: Path) -> None:
    (test_list.parent / "10.png").write_bytes((shop / "milk/0.png").read_bytes())
    out = tmp_path / "all.txt"
    assert run("merge", shop, "--against", test_list, "--out", out).exit_code == 1
    result = run("merge", shop, "--against", test_list, "--drop-leaks", "--out", out)
    assert result.exit_code == 0, result.output
    assert out.read_text().splitlines() == ["milk/1.png\t0", "oat tea/2.png\t1", "oat tea/3.png\t1"]
    assert json.loads(out.with_name("all.txt.manifest.json").read_text())["sets"][0]["left_out"] == 1


def test_sets_with_boxes_are_written_as_a_table(test_list: Path, tmp_path: Path) -> None:
    table = test_list.with_name("t.csv")
    table.write_text("path,label,x0,y0,x1,y1\n10.png,7,0,0,20,20\n11.png,9,,,,\n")
    assert "write a table: o.csv" in run("merge", _boxed(table), "--out", tmp_path / "o.txt").output
    assert run("merge", _boxed(table), "--out", tmp_path / "o.csv").exit_code == 0
    text = (tmp_path / "o.csv").read_text()
    assert text.splitlines() == ["path,label,group,x0,y0,x1,y1", "10.png,0,,0.0,0.0,20.0,20.0", "11.png,1,,,,,"]


def test_any_set_is_converted_to_a_list_with_its_class_map(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop.txt"
    assert run("convert", shop, "--out", out).exit_code == 0
    assert open_spec(f"{out},image_root={shop}").labels.tolist() == [0, 0, 1, 1]
    assert read_classes(tmp_path / "shop.txt.classes.json") == {"milk": 0, "oat tea": 1}
    assert run("convert", shop, "--out", out, "--no-relabel", "--root", tmp_path).exit_code == 0
    assert out.read_text().splitlines()[2] == "shop/oat tea/2.png\toat tea"
    assert "lies outside of" in run("convert", shop, "--out", out, "--root", tmp_path / "elsewhere").output


@pytest.mark.parametrize("by_class", [False, True])
def test_a_split_shares_no_file_and_keeps_every_picture(shop: Path, tmp_path: Path, by_class: bool) -> None:
    photo(9).save(shop / "milk/lone.png")
    result = run("split", shop, "--out", tmp_path / "lists", "--share", 0.4, *(["--by-class"] if by_class else []))
    assert result.exit_code == 0, result.output
    train, test = (open_spec(f"{tmp_path}/lists/{part}.txt,image_root={shop}") for part in ("train", "test"))
    paths = [{one.path for one in part.pictures} for part in (train, test)]
    assert not paths[0] & paths[1]
    assert len(paths[0] | paths[1]) == len(train) + len(test) == 5
    if by_class:
        assert not set(train.classes) & set(test.classes)
    else:
        assert set(train.classes) == set(test.classes) == {"milk", "oat tea"}
    assert "between 0 and 1" in run("split", shop, "--out", tmp_path / "lists", "--share", 1).output


def test_what_cannot_be_split_says_why(shop: Path, tmp_path: Path) -> None:
    for path in (shop / "milk/0.png", shop / "oat tea/3.png"):
        path.unlink()
    assert "no class has two files" in run("split", shop, "--out", tmp_path / "lists").output
    (shop / "milk/1.png").unlink()
    assert "one class cannot be split" in run("split", shop, "--out", tmp_path / "lists", "--by-class").output


def test_boxes_of_one_photo_stay_together(test_list: Path, tmp_path: Path) -> None:
    table = test_list.with_name("t.csv")
    rows = [f"{photo}.png,{label},0,0,20,{20 + label}" for photo in (10, 11, 12, 13) for label in (1, 2)]
    table.write_text("\n".join(["path,label,x0,y0,x1,y1", *rows]))
    assert run("split", _boxed(table), "--out", tmp_path / "lists", "--share", 0.5).exit_code == 0
    parts = [(tmp_path / f"lists/{name}.csv").read_text().splitlines()[1:] for name in ("train", "test")]
    assert [len(part) for part in parts] == [4, 4]
    assert not {line.split(",")[0] for line in parts[0]} & {line.split(",")[0] for line in parts[1]}


def test_the_speed_of_the_input_is_measured(shop: Path, tmp_path: Path) -> None:
    result = run("speed", shop, "--workers", 0, "--batch-size", 2, "--cache", tmp_path / "cache")
    assert result.exit_code == 0, result.output
    assert int(result.stdout.split(" pictures/s")[0].split()[-1]) > 0
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 4
    assert "4 pictures are fewer than two batches of 64" in " ".join(run("speed", shop, "--workers", 0).output.split())


def test_known_sets_are_listed() -> None:
    listed = json.loads(run("list", "--json").stdout)
    assert [one["name"] for one in listed] == [known.name for known in KNOWN_SETS]
    assert "Ebay_train.txt" in run("list", "sop").stdout
    assert "no known set 'nope'" in run("list", "nope").output


def test_specs_are_paths_names_or_configurations(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").touch()
    assert parse_spec(str(tmp_path)) == {"name": "FolderDataset", "image_root": str(tmp_path)}
    assert parse_spec(f"{tmp_path}/a.tsv,label_column=class")["delimiter"] == "\t"
    assert parse_spec("SOP,image_root=x,split=test,relabel=true") == {
        "name": "SOP", "image_root": "x", "split": "test", "relabel": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "message"),
    [("nowhere", "is no folder, file or known name"), ("SOP,train", "'train' is no key=value"), ("{a: 1}", "name")],
)
def test_what_is_no_spec_is_a_usage_error(spec: str, message: str) -> None:
    result = run("check", spec)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
