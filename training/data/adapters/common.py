"""Layouts that many data sets share."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.data.adapters.base import Layout
from training.data.pictures import PICTURE_SUFFIXES, Picture
from training.data.readers.base import existing, join
from training.data.readers.csv_table import csv_pictures
from training.data.readers.folders import IDENTITY_AND_CAMERA, identity_pictures
from training.data.readers.lists import PATH_LABEL, Dialect, list_pictures


@dataclass(frozen=True)
class Parts:
    """Base of layouts with a mapping from part to what says where it is."""

    parts: Mapping[str, Any]

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read."""
        return tuple(self.parts)


def pictures_below(folder: Path) -> list[Path]:
    """All picture files below a folder, sorted."""
    return sorted(path for path in existing(folder, "folder").rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)


@dataclass(frozen=True)
class ClassFolders(Parts):
    """A folder per part, in it ``depth`` levels of folders that together are the label.

    ``depth`` 0: the folder right above a picture is its label, whatever is above that.
    """

    depth: int = 1

    @property
    def tree(self) -> str:
        """The files in one line."""
        levels = {0: "…/class", 1: "class", 2: "group/class"}[self.depth]
        return ", ".join(f"{folder}/{levels}/*.jpg" for folder in self.parts.values())

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part."""
        folder = root / self.parts[split]
        found = []
        for path in pictures_below(folder):
            levels = path.relative_to(folder).parts[:-1]
            if levels and len(levels) >= self.depth:
                found.append(Picture(path, "/".join(levels[: self.depth]) if self.depth else levels[-1]))
        return found


@dataclass(frozen=True)
class NamePattern(Parts):
    """A folder per part, with the label in each file's name: the first group of ``pattern``."""

    pattern: str = ""
    keep: range | None = None

    @property
    def tree(self) -> str:
        """The files in one line."""
        return ", ".join(f"{folder}/*.jpg, label in the name: {self.pattern}" for folder in self.parts.values())

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part; ``keep``: only those with such a number as label."""
        found = []
        for path in pictures_below(root / self.parts[split]):
            if (match := re.match(self.pattern, path.name)) is None:
                raise ValueError(f"{path}: the name does not state a label as {self.pattern} does")
            if self.keep is None or int(match[1]) in self.keep:
                found.append(Picture(path, match[1]))
        return found


@dataclass(frozen=True)
class Lists(Parts):
    """A list file per part: (list, folder that its paths are relative to)."""

    dialect: Dialect = PATH_LABEL
    line: str = "path label [unique id]"

    @property
    def tree(self) -> str:
        """The files in one line."""
        return ", ".join(f"{file} ({self.line}, below {folder})" for file, folder in self.parts.values())

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part."""
        file, folder = self.parts[split]
        return list_pictures(root / file, root / folder, self.dialect)


@dataclass(frozen=True)
class PathLists(Parts):
    """A list of paths per part, whose folders are the label: (list, folder that its paths are relative to).

    ``suffix`` is added to each path. ``levels``: how many folders right above the file make the label.
    """

    suffix: str = ""
    levels: int = 1

    @property
    def tree(self) -> str:
        """The files in one line."""
        above = "/".join(["group", "class"][-self.levels :])
        return ", ".join(f"{file} ({above}/name, below {folder})" for file, folder in self.parts.values())

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part."""
        file, folder = self.parts[split]
        found = []
        for line in existing(root / file, "list file").read_text(encoding="utf-8").splitlines():
            if line.strip():
                path = join(root / folder, line.strip() + self.suffix)
                found.append(Picture(path, "/".join(Path(line.strip()).parts[-1 - self.levels : -1])))
        return present(found, root / file)


@dataclass(frozen=True)
class Tables(Parts):
    """A table per part: (table, folder that its paths are relative to); ``columns`` as of ``csv_pictures``."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    some_missing: bool = False

    @property
    def tree(self) -> str:
        """The files in one line."""
        path, label = self.columns.get("path_column", "path"), self.columns.get("label_column", "label")
        return ", ".join(f"{table} (columns {path}, {label}; below {folder})" for table, folder in self.parts.values())

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part; with ``some_missing``, rows whose picture is missing are left out."""
        table, folder = self.parts[split]
        pictures = csv_pictures(root / table, root / folder, **self.columns, check_files=not self.some_missing)
        return [one for one in pictures if one.path.is_file()] if self.some_missing else pictures


@dataclass(frozen=True)
class Identities(Parts):
    """A folder per part; names state identity and camera."""

    pattern: re.Pattern[str] = IDENTITY_AND_CAMERA

    @property
    def tree(self) -> str:
        """The files in one line."""
        return ", ".join(f"{folder}/0002_c1s1_000451_03.jpg" for folder in self.parts.values())

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part."""
        return identity_pictures(root / self.parts[split], self.pattern)


@dataclass(frozen=True)
class Either:
    """One of two layouts, with the parts of both; those of the first come first."""

    first: Layout
    second: Layout

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read."""
        return (*self.first.splits, *(part for part in self.second.splits if part not in self.first.splits))

    @property
    def tree(self) -> str:
        """The files in one line."""
        return f"{self.first.tree}; or {self.second.tree}"

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part."""
        return (self.first if split in self.first.splits else self.second).read(root, split)


def present(pictures: list[Picture], source: Path) -> list[Picture]:
    """The pictures, if their files are there.

    Raises:
        ValueError: naming the first that is missing.
    """
    missing = [one.path for one in pictures if not one.path.is_file()]
    if missing:
        raise ValueError(f"{source}: {len(missing)} of {len(pictures)} pictures are missing, the first is {missing[0]}")
    return pictures
