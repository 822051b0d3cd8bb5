"""Tables of comma-separated values with a header."""

import csv
from collections.abc import Sequence
from pathlib import Path

from training.data.labels import LabelledSet, labelled_set
from training.data.pictures import Picture
from training.data.readers.base import DATASETS, ListError, existing, join


def csv_pictures(
    table: Path,
    image_root: Path,
    path_column: str = "path",
    label_column: str = "label",
    group_column: str | None = None,
    box_columns: Sequence[str] | None = None,
    suffix: str = "",
    delimiter: str = ",",
    allow_outside: bool = False,
    check_files: bool = True,
) -> list[Picture]:
    """Read a table with a header line.

    Args:
        table: UTF-8 text.
        image_root: what paths are relative to.
        path_column: column of the picture's path.
        label_column: column of its label.
        group_column: column of camera or unique id.
        box_columns: four columns x0, y0, x1, y1 in pixels; empty fields for the whole picture.
        suffix: added to each path, as ".jpg" where the table has ids only.
        delimiter: between columns.
        allow_outside: allow paths that lead out of ``image_root``.
        check_files: fail where a picture is missing.

    Raises:
        ListError: for a line that cannot be read, or a picture that is missing.
        ValueError: if the table is missing or empty, or lacks a column.
    """
    pictures = []
    with existing(table, "table").open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter=delimiter)
        wanted = [path_column, label_column, *(box_columns or []), *([group_column] if group_column else [])]
        if lacking := [name for name in wanted if name not in (rows.fieldnames or [])]:
            raise ValueError(f"{table}: no column {lacking[0]!r} among {', '.join(rows.fieldnames or ['none'])}")
        for row in rows:
            try:
                if any(row[name] is None for name in wanted):
                    raise ValueError("fewer columns than the header")
                path = join(image_root, row[path_column] + suffix, allow_outside)
                box = _box([row[name] for name in box_columns or []])
                if check_files and not path.is_file():
                    raise ValueError(f"no such picture: {path}; is image_root right?")
            except ValueError as error:
                raise ListError(table, rows.line_num, str(error)) from error
            pictures.append(Picture(path, row[label_column], box, row[group_column] if group_column else None))
    if not pictures:
        raise ValueError(f"{table}: the table is empty")
    return pictures


def _box(values: Sequence[str]) -> tuple[float, float, float, float] | None:
    if not any(values):
        return None
    x0, y0, x1, y1 = (float(value) for value in values)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"the box {x0, y0, x1, y1} is empty")
    return x0, y0, x1, y1


@DATASETS.register("CsvDataset")
def csv_dataset(
    image_root: str,
    cls_label_path: str,
    path_column: str = "path",
    label_column: str = "label",
    group_column: str | None = None,
    box_columns: Sequence[str] | None = None,
    delimiter: str = ",",
    relabel: bool = False,
    allow_outside: bool = False,
    check_files: bool = True,
) -> LabelledSet:
    """A table with a header; see ``csv_pictures``."""
    pictures = csv_pictures(
        Path(cls_label_path),
        Path(image_root),
        path_column,
        label_column,
        group_column,
        box_columns,
        delimiter=delimiter,
        allow_outside=allow_outside,
        check_files=check_files,
    )
    return labelled_set(pictures, relabel)
