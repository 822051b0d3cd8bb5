"""Labelled pictures as people have them: a CSV file, a folder of folders, an old list. Pure reading, no service.

Nothing here is ever unpickled or run. A row that cannot be used is told as such and never ends the reading.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kenspeckle.cli.files import parse_box, pictures_in
from kenspeckle.client import KenspeckleError
from kenspeckle.types import Box, ItemId, Label

OLD_INDEX_FILES = ("id_map.pkl", "id_map.txt", "vector.index")
PICTURE_COLUMNS, COLUMNS = ("path", "image"), ("label", "item_id", "box", "problem")
_LABEL: TypeAdapter[str] = TypeAdapter(Label)
_ITEM_ID: TypeAdapter[str] = TypeAdapter(ItemId)


class SourceError(KenspeckleError):
    """A source that cannot be read as a whole."""


@dataclass(frozen=True)
class Row:
    """One labelled picture of a source; ``problem`` says why it cannot be used, if it cannot."""

    number: int
    picture: Path
    label: str
    item_id: str | None = None
    box: Box | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


def read_source(source: Path, picture_root: Path | None = None) -> list[Row]:
    """Read the rows of a source.

    Args:
        source: a ``.csv``; a folder with one folder of pictures per label; an old list with
            ``path<TAB>label`` or ``path label`` in each line; the folder of an old index.
        picture_root: folder that relative paths start from; by default that of the file.

    Raises:
        SourceError: saying what is wrong and what to do.
    """
    if source.is_dir():
        if any((source / name).exists() for name in OLD_INDEX_FILES):
            rows = _read_list(*_list_of_old_index(source, picture_root))
        else:
            rows = _read_folders(source)
    elif source.is_file():
        root = picture_root or source.parent
        rows = _read_csv(source, root) if source.suffix.lower() == ".csv" else _read_list(source, root)
    else:
        raise SourceError(f"{source}: there is no such file or folder")
    if not rows:
        raise SourceError(f"{source} names no pictures")
    return rows


def checked(
    number: int, picture: Path, label: str, item_id: str = "", box: str = "", metadata: dict[str, str] | None = None
) -> Row:
    """A row whose fields have been looked at; the first fault found is its ``problem``."""
    parsed: Box | None = None
    problem = _fault(_LABEL, "label", label) or (_fault(_ITEM_ID, "item_id", item_id) if item_id else None)
    try:
        parsed = parse_box(box) if box else None
    except ValueError as error:
        problem = problem or str(error)
    if problem is None and not picture.is_file():
        problem = "there is no such picture"
    return Row(number, picture, label, item_id or None, parsed, metadata or {}, problem)


def _fault(kind: TypeAdapter[str], name: str, text: str) -> str | None:
    try:
        kind.validate_python(text)
    except ValidationError as error:
        return f"{name}: {error.errors()[0]['msg']}"
    return None


# --- CSV ---------------------------------------------------------------------------------------------------


def _read_csv(source: Path, root: Path) -> list[Row]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            picture = _picture_column(source, columns)
            return [_csv_row(number, entry, picture, root) for number, entry in enumerate(reader, start=2)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{source} cannot be read as CSV in UTF-8: {error}") from error


def _picture_column(source: Path, columns: list[str]) -> str:
    pictures = [name for name in columns if name in PICTURE_COLUMNS]
    if len(pictures) != 1 or "label" not in columns:
        raise SourceError(f"{source}: the first line must name the columns 'path' and 'label'")
    strange = [
        name for name in columns if name not in (*PICTURE_COLUMNS, *COLUMNS) and not name.startswith("metadata.")
    ]
    if strange:
        raise SourceError(f"{source}: unknown column {strange[0]!r}; own facts go into columns named 'metadata.…'")
    return pictures[0]


def _csv_row(number: int, entry: dict[str, str | None], picture: str, root: Path) -> Row:
    text = {name: (value or "").strip() for name, value in entry.items() if isinstance(name, str)}
    metadata = {
        name.removeprefix("metadata."): value for name, value in text.items() if name.startswith("metadata.") and value
    }
    if None in entry:
        return Row(number, root / text[picture], text["label"], problem="more fields than columns")
    return checked(number, root / text[picture], text["label"], text.get("item_id", ""), text.get("box", ""), metadata)


# --- a folder of folders -----------------------------------------------------------------------------------


def _read_folders(source: Path) -> list[Row]:
    rows = []
    for number, path in enumerate(pictures_in(source), start=1):
        folders = path.relative_to(source).parts[:-1]
        if folders:
            rows.append(checked(number, path, folders[0]))
        else:
            rows.append(Row(number, path, "", problem="it lies in no folder: the name of its folder is its label"))
    return rows


# --- old lists ---------------------------------------------------------------------------------------------


def _read_list(source: Path, root: Path) -> list[Row]:
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SourceError(f"{source} is not a list of pictures (it is not text in UTF-8)") from error
    return [_list_row(number, line, root) for number, line in enumerate(lines, start=1) if line.strip()]


def _list_row(number: int, line: str, root: Path) -> Row:
    if "\t" in line:
        path, label = (part.strip() for part in line.split("\t")[:2])
        return checked(number, root / path, label)
    splits = list(_splits(line.strip()))
    if not splits:
        return Row(number, root / line.strip(), "", problem="no label: a line is 'path<TAB>label' or 'path label'")
    path, label = next((split for split in splits if (root / split[0]).is_file()), splits[0])
    return checked(number, root / path, label)


def _splits(line: str) -> Iterator[tuple[str, str]]:
    """Every way to cut a line at a space, shortest path first: paths may hold spaces, and labels too."""
    words = line.split(" ")
    for index in range(1, len(words)):
        path, label = " ".join(words[:index]), " ".join(words[index:]).strip()
        if path.strip() and label:
            yield path, label


# --- an old index folder -----------------------------------------------------------------------------------


def _list_of_old_index(folder: Path, picture_root: Path | None) -> tuple[Path, Path]:
    """The one list beside an old index whose pictures are there."""
    places = [folder, folder.parent / "gallery", folder.parent]
    lists = [
        path for place in places if place.is_dir() for path in sorted(place.glob("*.txt")) if path.name != "id_map.txt"
    ]
    found = [(path, root) for path in lists for root in _roots(path, picture_root) if _names_pictures(path, root)]
    if len(found) == 1:
        return found[0]
    several = ": " + ", ".join(str(path) for path, _ in found) if found else ""
    raise SourceError(
        f"{folder} is an old index: its vectors come from another model, and its id_map.pkl could run code when read,"
        f" so only the pictures and labels can be brought over. Give the list that it was built from{several}"
        " (data_file in its configuration): kenspeckle gallery import LIST.txt --image-root FOLDER"
    )


def _roots(path: Path, picture_root: Path | None) -> list[Path]:
    return [picture_root] if picture_root else [path.parent]


def _names_pictures(path: Path, root: Path) -> bool:
    try:
        rows = _read_list(path, root)
    except (SourceError, OSError):
        return False
    return any(row.problem is None for row in rows[:20])
