"""Class numbers of labelled pictures."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.pictures import Picture


@dataclass(frozen=True)
class LabelledSet:
    """Pictures and the class number of each label; ``classes`` maps a label to its number, in order of number."""

    pictures: tuple[Picture, ...]
    classes: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class number of each picture, ``(N,) int64``."""
        return np.array([self.classes[picture.label] for picture in self.pictures], np.int64)

    @property
    def class_num(self) -> int:
        """Classes that a head needs: the largest number and one."""
        return max(self.classes.values(), default=-1) + 1

    @property
    def groups(self) -> list[str | None]:
        """Camera or unique id of each picture."""
        return [picture.group for picture in self.pictures]

    @cached_property
    def domains(self) -> NDArray[np.int64]:
        """Number of the camera of each picture, ``(N,) int64``; cameras are numbered in sorted order.

        Raises:
            ValueError: if a picture has none.
        """
        cameras = [group for group in self.groups if group is not None]
        if len(cameras) < len(self):
            raise ValueError("not every picture states its camera: that takes a list with a third column")
        return np.unique(cameras, return_inverse=True)[1].astype(np.int64)

    def name_of(self, number: int) -> str:
        """The label of a class number; the number itself if no picture has it."""
        return self._names.get(number, str(number))

    @cached_property
    def _names(self) -> dict[int, str]:
        return {number: label for label, number in self.classes.items()}


def labelled_set(
    pictures: Iterable[Picture], relabel: bool = False, classes: Mapping[str, int] | None = None
) -> LabelledSet:
    """Number the labels of pictures.

    Args:
        pictures: in the order that indices count.
        relabel: number the labels 0…n-1 in sorted order (by value where all are numbers, else by text). Without it,
            labels that are all numbers are kept as they are; names are always numbered in sorted order.
        classes: numbers to use instead, as of the training set; a test set then speaks of the same classes.

    Raises:
        ValueError: if a label is not in ``classes``.
    """
    kept = tuple(pictures)
    labels = {picture.label for picture in kept}
    if classes is None:
        return LabelledSet(kept, number_labels(labels, relabel))
    if unknown := sorted(labels - set(classes)):
        raise ValueError(f"{len(unknown)} labels are not among the given classes, the first is {unknown[0]!r}")
    return LabelledSet(kept, dict(classes))


def number_labels(labels: Iterable[str], relabel: bool = False) -> dict[str, int]:
    """Class number of each label, in order of number; see ``labelled_set``."""
    distinct = set(labels)
    if not all(label.isascii() and label.isdigit() for label in distinct):
        return {label: number for number, label in enumerate(sorted(distinct))}
    ordered = sorted(distinct, key=lambda label: (int(label), label))
    if not relabel:
        return {label: int(label) for label in ordered}
    values = {value: number for number, value in enumerate(sorted({int(label) for label in ordered}))}
    return {label: values[int(label)] for label in ordered}


def save_classes(classes: Mapping[str, int], path: Path) -> None:
    """Write the class numbers as JSON: ``{"label": number, …}``."""
    path.write_text(json.dumps(dict(classes), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_classes(path: Path) -> dict[str, int]:
    """Read what ``save_classes`` wrote.

    Raises:
        ValueError: if the file is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no class map: {error}") from error
    if not isinstance(content, dict) or not all(type(number) is int and number >= 0 for number in content.values()):
        raise ValueError(f"{path}: no class map: wanted an object of label: number")
    return content
