"""The Grocery Store Dataset as it lies in the optional data folder."""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kenspeckle.types import Box

FOLDS = 3


class Photo(NamedTuple):
    """A photo of one product."""

    path: Path
    label: str


class Grocery:
    """Photos, the groups of their classes and the teacher's boxes.

    Attributes:
        unseen: classes that no shipped model was trained on: every third one, cartons and produce apart.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with (folder / "classes.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self._cartons = {row["fine"] for row in rows if row["group"] == "Packages"}
        self.labels = {row["fine"] for row in rows}
        self.unseen = {
            row["fine"]
            for cartons in (True, False)
            for number, row in enumerate(r for r in rows if (r["fine"] in self._cartons) == cartons)
            if number % FOLDS == 0
        }
        boxes = json.loads((folder / "boxes" / "localizer.json").read_text(encoding="utf-8"))["images"]
        self._teacher: dict[str, Box] = {name: tuple(entry["boxes"][0]) for name, entry in boxes.items()}

    def photos(self, split: str, per_class: int | None = None) -> list[Photo]:
        """Photos of a split (icons, train, val, test); ``per_class`` of each class, drawn with a fixed seed."""
        by_class: dict[str, list[Photo]] = defaultdict(list)
        for line in (self._folder / f"{split}.txt").read_text(encoding="utf-8").splitlines():
            name, label = line.split("\t")
            by_class[label].append(Photo(self._folder / name, label))
        draw = random.Random(0)
        return [
            photo
            for photos in by_class.values()
            for photo in (photos if per_class is None else draw.sample(photos, min(per_class, len(photos))))
        ]

    def teacher_box(self, photo: Photo) -> Box | None:
        """The teacher's best box; None for icons."""
        return self._teacher.get(self.name(photo))

    def name(self, photo: Photo) -> str:
        """The photo's path within the data set."""
        return photo.path.relative_to(self._folder).as_posix()

    def groups(self, label: str) -> Iterator[str]:
        """Groups that a class is counted in."""
        yield "all"
        yield "cartons" if label in self._cartons else "produce"
