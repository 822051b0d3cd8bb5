"""Writing data sets out as one list."""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.checks import Finding, leaks
from training.data.duplicates import NEAR, prints_of
from training.data.labels import LabelledSet, labelled_set
from training.data.pictures import Picture

BOX_COLUMNS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class Merged:
    """Pictures of many sets with labels counted through, and what came from where."""

    pictures: list[Picture]
    manifest: dict[str, Any]
    findings: list[Finding]


def merge(
    sets: Mapping[str, LabelledSet],
    against: Mapping[str, LabelledSet] | None = None,
    drop_leaks: bool = False,
    near: int = NEAR,
    workers: int = 2,
    progress: Callable[[], None] = lambda: None,
) -> Merged:
    """Join sets: labels of each are counted from 0 in sorted order and moved behind those of the sets before.

    Args:
        sets: by name, in the order of their labels.
        against: test sets; pictures of these among the merged are leaks.
        drop_leaks: leave out pictures that a test set has, exactly or nearly; a class may vanish with them.
        near: differing bits up to which pictures are nearly the same.
        workers: threads that read files.
        progress: called for each file.

    Returns:
        Pictures, manifest, and what sets have in common among each other and with the test sets.

    Raises:
        ValueError: if a set is among the merged and among the test sets.
    """
    tests = dict(against or {})
    together = {**sets, **tests}
    if len(together) < len(sets) + len(tests):
        raise ValueError(f"a set is merged and tested against: {', '.join(sorted(set(sets) & set(tests)))}")
    prints = prints_of([one.path for each in together.values() for one in each.pictures], workers, progress)
    found = leaks(together, prints, near)
    leaked = {path for one in found if set(one.sets) & set(tests) for path in one.paths} if drop_leaks else set()
    pictures: list[Picture] = []
    manifest: dict[str, Any] = {"sets": [], "classes": {}}
    offset = 0
    for name, each in sets.items():
        kept = labelled_set([one for one in each.pictures if one.path not in leaked], relabel=True)
        pictures += [
            Picture(one.path, str(offset + int(number)), one.box, one.group)
            for one, number in zip(kept.pictures, kept.labels, strict=True)
        ]
        manifest["classes"].update({str(offset + number): f"{name}/{label}" for label, number in kept.classes.items()})
        manifest["sets"].append(
            {
                "name": name, "pictures": len(kept), "classes": kept.class_num, "first_label": offset,
                "left_out": len(each) - len(kept),
            }
        )  # fmt: skip
        offset += kept.class_num
    manifest |= {"pictures": len(pictures), "class_num": offset, "checked_against": sorted(tests)}
    return Merged(pictures, manifest, found)


def write_list(pictures: Sequence[Picture], file: Path, root: Path | None = None) -> Path:
    """Write a list (.txt, columns separated by tabs) or a table (.csv, which can hold boxes).

    Returns:
        The folder that the written paths are relative to: ``root``, or what the pictures' folders have in common.

    Raises:
        ValueError: if a picture has a box and the list cannot hold it, or lies outside of ``root``.
    """
    base = (root or common_root(pictures)).absolute()
    names = [os.path.relpath(one.path.absolute(), base) for one in pictures]
    for name in names:
        if name.startswith("..") or "\t" in name or "\n" in name:
            raise ValueError(f"{name!r} cannot be written: it lies outside of {base}, or has a tab in its name")
    file.parent.mkdir(parents=True, exist_ok=True)
    (_write_csv if file.suffix.lower() == ".csv" else _write_txt)(pictures, names, file)
    return base


def common_root(pictures: Sequence[Picture]) -> Path:
    """The deepest folder that all pictures lie below."""
    return Path(os.path.commonpath([one.path.absolute().parent for one in pictures]))


def _write_txt(pictures: Sequence[Picture], names: Sequence[str], file: Path) -> None:
    if any(one.box for one in pictures):
        raise ValueError(f"{file}: a list cannot hold boxes; write a table: {file.with_suffix('.csv').name}")
    with file.open("w", encoding="utf-8") as out:
        for name, one in zip(names, pictures, strict=True):
            out.write("\t".join([name, one.label, *([one.group] if one.group is not None else [])]) + "\n")


def _write_csv(pictures: Sequence[Picture], names: Sequence[str], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["path", "label", "group", *BOX_COLUMNS])
        for name, one in zip(names, pictures, strict=True):
            writer.writerow([name, one.label, one.group or "", *(one.box or [""] * 4)])
