"""What is wrong with data sets: broken files, double labels, leaks between parts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from training.data.duplicates import NEAR, Print, near_pairs, prints_of, same_content
from training.data.labels import LabelledSet

Kind = Literal["broken", "box", "conflict", "leak", "near", "range", "gap", "lone"]
ERRORS: frozenset[Kind] = frozenset({"broken", "box", "conflict", "leak", "range"})
MEANING: dict[Kind, str] = {
    "broken": "picture that cannot be decoded",
    "box": "box outside of its picture",
    "conflict": "same picture under different labels of one set",
    "leak": "same picture in two sets",
    "near": "nearly the same picture in two sets",
    "range": "label beyond the number of classes",
    "gap": "class number without a picture",
    "lone": "class with one picture: no pair to learn from",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; ``kind`` says whether it is an error or only worth knowing."""

    kind: Kind
    sets: tuple[str, ...]
    what: str
    paths: tuple[Path, ...] = ()


@dataclass
class Inspection:
    """Counts of each set and what was found."""

    pictures: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    per_class: dict[str, tuple[int, float, int]] = field(default_factory=dict)
    """Fewest, median and most pictures of a class."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def counts(self) -> dict[Kind, int]:
        """Findings of each kind."""
        return dict(Counter(finding.kind for finding in self.findings))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(finding.kind in ERRORS for finding in self.findings)


def check_sets(
    sets: Mapping[str, LabelledSet],
    class_num: int | None = None,
    near: int = NEAR,
    workers: int = 2,
    progress: Callable[[], None] = lambda: None,
) -> Inspection:
    """Look at every picture of the sets.

    Args:
        sets: by name; those that should have nothing in common, as training and test.
        class_num: classes of the head, to find labels beyond.
        near: differing bits up to which pictures are nearly the same.
        workers: threads that read files.
        progress: called for each file.
    """
    report = Inspection()
    prints = prints_of([one.path for each in sets.values() for one in each.pictures], workers, progress)
    for name, each in sets.items():
        report.pictures[name], report.classes[name] = len(each), len(set(each.labels.tolist()))
        counts = np.unique(each.labels, return_counts=True)[1]
        report.per_class[name] = (int(counts.min()), float(np.median(counts)), int(counts.max()))
        report.findings += _labels(name, each, class_num) + _files(name, each, prints) + _conflicts(name, each, prints)
    report.findings += leaks(sets, prints, near)
    return report


def _labels(name: str, each: LabelledSet, class_num: int | None) -> list[Finding]:
    numbers, counts = np.unique(each.labels, return_counts=True)
    found = []
    if class_num is not None and (beyond := [int(n) for n in numbers if n >= class_num]):
        pictures = int(np.isin(each.labels, beyond).sum())
        found.append(
            Finding("range", (name,), f"{pictures} pictures have labels up to {beyond[-1]}, beyond {class_num} classes")
        )
    missing = each.class_num - len(numbers)
    if missing:
        first = int(np.setdiff1d(np.arange(min(each.class_num, len(numbers) + 1)), numbers)[0])
        found.append(Finding("gap", (name,), f"{missing} class numbers have no picture, the first is {first}"))
    found += [Finding("lone", (name,), f"class {each.name_of(int(n))}") for n in numbers[counts == 1]]
    return found


def _files(name: str, each: LabelledSet, prints: Mapping[Path, Print]) -> list[Finding]:
    found = []
    for path in dict.fromkeys(one.path for one in each.pictures):
        if problem := prints[path].problem:
            found.append(Finding("broken", (name,), f"{path}: {problem}", (path,)))
    for one in each.pictures:
        if one.box is not None and (size := prints[one.path].size):
            x0, y0, x1, y1 = one.box
            if not (x0 < x1 and y0 < y1 and x0 < size[0] and y0 < size[1] and x1 > 0 and y1 > 0):
                what = f"{one.path}: {one.box} in a picture of {size[0]} x {size[1]}"
                found.append(Finding("box", (name,), what, (one.path,)))
    return found


def _conflicts(name: str, each: LabelledSet, prints: Mapping[Path, Print]) -> list[Finding]:
    """Same content (and box) under several labels."""
    labels: dict[tuple[str, object], dict[str, Path]] = {}
    for one in each.pictures:
        if prints[one.path].content:
            labels.setdefault((prints[one.path].content, one.box), {}).setdefault(one.label, one.path)
    return [
        Finding("conflict", (name,), ", ".join(f"{path} ({label})" for label, path in found.items()))
        for found in labels.values()
        if len(found) > 1
    ]


def leaks(sets: Mapping[str, LabelledSet], prints: Mapping[Path, Print], near: int = NEAR) -> list[Finding]:
    """Pictures that several sets have in common, exactly or nearly."""
    places = [(name, path) for name, each in sets.items() for path in dict.fromkeys(p.path for p in each.pictures)]
    ordered = [prints[path] for _, path in places]
    found = [_common("leak", [places[n] for n in group]) for group in same_content(ordered)]
    found += [_common("near", [places[a], places[b]]) for a, b in near_pairs(ordered, near)]
    return [finding for finding in found if len(finding.sets) > 1]


def _common(kind: Kind, places: Sequence[tuple[str, Path]]) -> Finding:
    names = tuple(dict.fromkeys(name for name, _ in places))
    what = " = ".join(f"{path} ({name})" for name, path in places)
    return Finding(kind, names, what, tuple(path for _, path in places))
