"""Labelled pictures are read from every form that people have them in."""

from pathlib import Path

import pytest

from kenspeckle.cli.gallery.sources import SourceError, read_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "two words.jpg"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_csv_with_all_columns(folder: Path) -> None:
    source = folder / "list.csv"
    text = '\ufeffpath,label,item_id,box,metadata.shelf\na.jpg,Käse,k1,"1,2,3,4",7\nb.jpg,"Tea, green",,,\n'
    source.write_text(text, encoding="utf-8")
    first, second = read_source(source)
    assert (first.picture, first.label, first.item_id, first.box) == (folder / "a.jpg", "Käse", "k1", (1, 2, 3, 4))
    assert first.metadata == {"shelf": "7"}
    assert (second.label, second.item_id, second.box, second.metadata) == ("Tea, green", None, None, {})
    assert first.problem is second.problem is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [("gone.jpg,Tea,", "no such picture"), ("a.jpg,,", "label"), ('a.jpg,Tea,"1,2"', "not a box"),
     ("a.jpg,Tea,,more", "more fields"), ("a.jpg,T\x1bea,", "control")],
)  # fmt: skip
def test_a_bad_row_is_told_with_its_number_and_spoils_no_other(folder: Path, line: str, reason: str) -> None:
    source = folder / "list.csv"
    source.write_text(f"path,label,box\na.jpg,Tea,\n{line}\nb.jpg,Tea,\n")
    rows = read_source(source)
    assert [row.problem is None for row in rows] == [True, False, True]
    assert rows[1].number == 3
    assert reason in (rows[1].problem or "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\n", "must name the columns"),
        ("path,label,colour\na.jpg,x,y\n", "unknown column 'colour'"),
        ("", "columns"),
    ],
)
def test_a_csv_that_is_none_is_refused(folder: Path, content: str, reason: str) -> None:
    source = folder / "list.csv"
    source.write_text(content)
    with pytest.raises(SourceError, match=reason):
        read_source(source)


def test_old_lists_with_tabs_and_with_spaces(folder: Path) -> None:
    source = folder / "list.txt"
    source.write_text("a.jpg\tTea green\textra\r\nb.jpg Tea green\ntwo words.jpg Tea\n\nalone\n")
    rows = read_source(source)
    assert [(row.picture.name, row.label) for row in rows[:3]] == [
        ("a.jpg", "Tea green"), ("b.jpg", "Tea green"), ("two words.jpg", "Tea")]  # fmt: skip
    assert rows[3].number == 5
    assert "no label" in (rows[3].problem or "")


def test_paths_of_a_list_start_from_the_picture_root(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    source = tmp_path / "lists" / "list.txt"
    source.write_text("a.jpg\tTea\n")
    assert read_source(source)[0].problem == "there is no such picture"
    assert read_source(source, folder)[0].problem is None


def test_a_folder_of_folders(tmp_path: Path) -> None:
    for name in ("Tea/a.jpg", "Tea/deep/b.PNG", "Mug/c.webp", "loose.jpg", "Tea/notes.txt", ".git/x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    rows = read_source(tmp_path)
    assert sorted((row.label, row.picture.name) for row in rows if not row.problem) == [
        ("Mug", "c.webp"), ("Tea", "a.jpg"), ("Tea", "b.PNG")]  # fmt: skip
    assert [row.picture.name for row in rows if row.problem] == ["loose.jpg"]


def old_index(root: Path) -> Path:
    (root / "index").mkdir()
    (root / "index" / "id_map.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    (root / "index" / "vector.index").write_bytes(b"x")
    return root / "index"


def test_an_old_index_folder_leads_to_the_one_list_beside_it(folder: Path) -> None:
    index = old_index(folder)
    (folder / "gallery").mkdir()
    (folder / "gallery" / "a.jpg").write_bytes(b"x")
    (folder / "gallery" / "drink_label.txt").write_text("a.jpg\tTea\n")
    (folder / "readme.txt").write_text("this is no list\n")
    (row,) = read_source(index)
    assert (row.label, row.picture) == ("Tea", folder / "gallery" / "a.jpg")


def test_an_old_index_folder_without_its_list_says_what_to_do_and_unpickles_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SourceError, match="--image-root") as caught:
        read_source(old_index(folder))
    assert "another model" in str(caught.value)
    assert not (folder / "pwned").exists()


def test_several_lists_beside_an_old_index_are_named(folder: Path) -> None:
    index = old_index(folder)
    (folder / "one.txt").write_text("a.jpg\tTea\n")
    (folder / "two.txt").write_text("b.jpg\tTea\n")
    with pytest.raises(SourceError, match=r"one\.txt.*two\.txt"):
        read_source(index)


def test_what_is_no_list_is_refused(folder: Path) -> None:
    (folder / "list.txt").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(SourceError, match="not a list"):
        read_source(folder / "list.txt")
    (folder / "empty.txt").write_text("\n")
    with pytest.raises(SourceError, match="names no pictures"):
        read_source(folder / "empty.txt")
    with pytest.raises(SourceError, match="no such file"):
        read_source(folder / "gone.txt")
