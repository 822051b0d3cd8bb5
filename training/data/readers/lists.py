"""List files: one picture a line, with its label and perhaps a camera or unique id."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from training.data.labels import LabelledSet, labelled_set
from training.data.pictures import Picture
from training.data.readers.base import DATASETS, ListError, existing, join


@dataclass(frozen=True)
class Dialect:
    """How a line of a list is read; columns count from 0.

    ``separator`` None: a tab where the line has one (paths with spaces need it), else any white space.
    ``group``: the column of camera or unique id, taken where a line has it. ``columns``: how many a line may have at
    most, by default those named. ``header``: first word of a line that is passed over. ``first_label``: the number
    that the list gives to its first class; labels count from 0 here. ``suffix``: added to each path.
    """

    path: int = 0
    label: int = 1
    group: int | None = 2
    columns: int | None = None
    separator: str | None = None
    header: str | None = None
    first_label: int = 0
    suffix: str = ""

    @property
    def fewest(self) -> int:
        """Columns that a line needs."""
        return max(self.path, self.label) + 1

    @property
    def most(self) -> int:
        """Columns that a line may have."""
        return self.columns or max(self.fewest, (self.group or 0) + 1)


PATH_LABEL = Dialect()
TAB = Dialect(separator="\t")
EBAY = Dialect(path=3, label=1, group=None, header="image_id", first_label=1)
"""``image_id class_id super_class_id path`` under a header, classes from 1: lists of SOP and of logo sets."""


def list_pictures(
    list_file: Path,
    image_root: Path,
    dialect: Dialect = PATH_LABEL,
    allow_outside: bool = False,
    check_files: bool = True,
) -> list[Picture]:
    """Read a list file.

    Args:
        list_file: UTF-8 text, one picture a line; empty lines are passed over.
        image_root: what paths are relative to.
        dialect: what a line holds.
        allow_outside: allow paths that lead out of ``image_root``.
        check_files: fail now, not in the middle of training, where a picture is missing.

    Raises:
        ListError: for a line that is not of the dialect, or a picture that is missing.
        ValueError: if the list is missing, empty or not UTF-8.
    """
    pictures = []
    missing: list[tuple[int, Path]] = []
    for number, fields in _lines(list_file, dialect):
        try:
            path = join(image_root, fields[dialect.path] + dialect.suffix, allow_outside)
            label = _label(fields[dialect.label], dialect)
        except ValueError as error:
            raise ListError(list_file, number, str(error)) from error
        group = fields[dialect.group] if dialect.group is not None and len(fields) > dialect.group else None
        if check_files and not path.is_file():
            missing.append((number, path))
        pictures.append(Picture(path, label, group=group))
    if missing:
        others = f" (and {len(missing) - 1} others of {len(pictures)})" if len(missing) > 1 else ""
        raise ListError(list_file, missing[0][0], f"no such picture: {missing[0][1]}{others}; is image_root right?")
    if not pictures:
        raise ValueError(f"{list_file}: the list is empty")
    return pictures


def _lines(list_file: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    existing(list_file, "list file")
    try:
        with list_file.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                text = line.strip()
                separator = "\t" if dialect.separator is None and "\t" in text else dialect.separator
                fields = [field.strip() for field in text.split(separator)]
                if text and fields[0] != dialect.header:
                    yield number, _checked(list_file, number, fields, dialect, separator)
    except UnicodeDecodeError as error:
        raise ValueError(f"{list_file}: not UTF-8 text ({error}); convert it, as with iconv -t utf-8") from error


def _checked(list_file: Path, number: int, fields: list[str], dialect: Dialect, separator: str | None) -> list[str]:
    shown = "white space" if separator is None else repr(separator)
    if len(fields) < dialect.fewest:
        raise ListError(
            list_file, number, f"{len(fields)} columns at {shown}, wanted {dialect.fewest}: {' '.join(fields)[:80]!r}"
        )
    if len(fields) > dialect.most:
        hint = "; for paths with spaces, separate the columns by a tab" if separator is None else ""
        raise ListError(list_file, number, f"{len(fields)} columns at {shown}, wanted at most {dialect.most}{hint}")
    return fields


def _label(text: str, dialect: Dialect) -> str:
    if not dialect.first_label:
        return text
    if not text.isdecimal() or int(text) < dialect.first_label:
        raise ValueError(f"label {text!r} is no number from {dialect.first_label}")
    return str(int(text) - dialect.first_label)


def with_delimiter(dialect: Dialect, delimiter: str | None) -> Dialect:
    """The dialect with a configuration's ``delimiter``; a space stands for any white space."""
    return dialect if delimiter is None or delimiter == " " else replace(dialect, separator=delimiter)


def listed(
    dialect: Dialect,
    image_root: str,
    cls_label_path: str,
    delimiter: str | None = None,
    relabel: bool = False,
    allow_outside: bool = False,
    check_files: bool = True,
) -> LabelledSet:
    """The pictures of a list file, numbered as ``labelled_set`` says."""
    dialect = with_delimiter(dialect, delimiter)
    pictures = list_pictures(Path(cls_label_path), Path(image_root), dialect, allow_outside, check_files)
    return labelled_set(pictures, relabel)


DATASETS.register("ImageNetDataset", "ShiTuRecDataset", "VeriWild", "MultiScaleDataset")(partial(listed, PATH_LABEL))
DATASETS.register("ICartoonDataset")(partial(listed, TAB))
DATASETS.register("LogoDataset", "SOPDataset")(partial(listed, EBAY))


@DATASETS.register("CompCars")
def comp_cars(
    image_root: str,
    cls_label_path: str,
    label_root: str | None = None,
    bbox_crop: bool = False,
    delimiter: str | None = None,
    relabel: bool = False,
    allow_outside: bool = False,
    check_files: bool = True,
) -> LabelledSet:
    """``path label``; with ``bbox_crop``, boxes from ``label_root``: see ``label_file_box``."""
    root = Path(image_root)
    pictures = list_pictures(
        Path(cls_label_path), root, with_delimiter(PATH_LABEL, delimiter), allow_outside, check_files
    )
    if bbox_crop:
        if label_root is None:
            raise ValueError("CompCars: bbox_crop needs label_root, the folder of the label files")
        pictures = [replace(one, box=label_file_box(one.path, root, Path(label_root))) for one in pictures]
    return labelled_set(pictures, relabel)


def label_file_box(picture: Path, image_root: Path, label_root: Path) -> tuple[float, float, float, float]:
    """The box of a picture of CompCars: last line ``x1 y1 x2 y2`` of the label file of its name.

    The label file's name is the picture's path up to the first dot, and ``.txt``.

    Raises:
        ValueError: if there is no such file, or no box in it.
    """
    file = existing(label_root / f"{picture.relative_to(image_root).as_posix().split('.')[0]}.txt", "label file")
    lines = file.read_text(encoding="utf-8").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    try:
        x0, y0, x1, y1 = (float(value) for value in lines[-1].split())
    except (ValueError, IndexError) as error:
        raise ListError(file, max(len(lines), 1), "the last line is no box: x1 y1 x2 y2") from error
    return x0, y0, x1, y1
