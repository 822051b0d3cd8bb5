"""Labelled regions of picture files, from plain folders and from the optional shared data folder."""

import csv
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
FOLDS = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled region of a picture file; ``box`` (x0, y0, x1, y1) in pixels, None for the whole picture.

    ``group`` is the camera or the unique id of the picture, where a list states one: retrieval by the same-camera
    rule leaves out gallery pictures of the query's label and group.
    """

    path: Path
    label: str
    box: tuple[float, float, float, float] | None = None
    group: str | None = None

    def open(self) -> Image.Image:
        """Decode the file as RGB, upright (EXIF orientation applied), as serving does."""
        with Image.open(self.path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")


@dataclass(frozen=True)
class GroceryClass:
    """A class of the grocery photos. ``group`` is "cartons" or "produce"; ``fold`` 0, 1 or 2."""

    name: str
    group: str
    fold: int
    icon: Path


def folder_pictures(folder: Path) -> list[Picture]:
    """Read a folder of folders: every sub-folder is a label, every picture file below it one of its pictures.

    Raises:
        ValueError: if there is no such folder, or no picture in any sub-folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder (wanted FOLDER/label/picture.jpg)")
    pictures = [
        Picture(path, label.name)
        for label in sorted(p for p in folder.iterdir() if p.is_dir())
        for path in sorted(label.rglob("*"))
        if path.suffix.lower() in PICTURE_SUFFIXES
    ]
    if not pictures:
        raise ValueError(f"{folder}: no pictures in sub-folders (wanted FOLDER/label/picture.jpg)")
    return pictures


def folder_of(pictures: Sequence[Picture]) -> Path:
    """The folder that has all these pictures, of two labels or more, in its sub-folders."""
    return Path(os.path.commonpath([picture.path for picture in pictures]))


def shared_data() -> Path:
    """The ``data`` part of the shared folder: KENSPECKLE_SHARED, by default ``../shared`` beside the checkout.

    Raises:
        FileNotFoundError: if it is not there.
    """
    checkout = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("KENSPECKLE_SHARED", checkout.parent / "shared")) / "data"
    if not data.is_dir():
        raise FileNotFoundError(
            f"{data}: no such folder; give pictures of your own with --data, or set KENSPECKLE_SHARED"
        )
    return data


def grocery_classes(data: Path) -> list[GroceryClass]:
    """The grocery classes in id order; class number j within cartons, or within produce, is of fold j mod 3."""
    seen: Counter[str] = Counter()
    classes = []
    with (data / "grocery/classes.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            group = "cartons" if row["group"] == "Packages" else "produce"
            classes.append(GroceryClass(row["fine"], group, seen[group] % FOLDS, data / "grocery" / row["icon"]))
            seen[group] += 1
    return classes


def seen_folds(unseen: int) -> set[int]:
    """The folds that may train where ``unseen`` is held out, so that figures on it are on things never seen."""
    return set(range(FOLDS)) - {unseen}


def grocery(data: Path, split: str, folds: set[int]) -> list[Picture]:
    """Grocery photos of ``split`` (train, val, test) whose class is in ``folds``, with the teacher's best box."""
    names = {c.name for c in grocery_classes(data) if c.fold in folds}
    boxes = json.loads((data / "grocery/boxes/localizer.json").read_text(encoding="utf-8"))["images"]
    return [
        Picture(data / "grocery" / name, label, tuple(boxes[name]["boxes"][0]))
        for name, label in _read_list(data / f"grocery/{split}.txt")
        if label in names
    ]


def grocery_icons(data: Path, folds: set[int]) -> list[Picture]:
    """The clean product picture of each class in ``folds``: gallery pictures, never trained on."""
    return [Picture(c.icon, c.name) for c in grocery_classes(data) if c.fold in folds]


def mainbody(data: Path, part: str) -> list[Picture]:
    """Every box of the main-body photos of ``part`` (train, val), labelled ``source/label of the source``."""
    listing = json.loads((data / f"mainbody/annotations_{part}.json").read_text(encoding="utf-8"))
    images = {image["id"]: image for image in listing["images"]}
    pictures = []
    for annotation in listing["annotations"]:
        image = images[annotation["image_id"]]
        x, y, width, height = annotation["bbox"]
        label = f"{image['source_key']}/{annotation['source_label']}"
        pictures.append(Picture(data / "mainbody" / image["file_name"], label, (x, y, x + width, y + height)))
    return pictures


def general_classes(data: Path) -> list[Picture]:
    """600 whole pictures of 50 everyday classes, for tests only."""
    return _whole(data / "general/classes")


def distractors(data: Path) -> list[Picture]:
    """406 whole pictures without any grocery class, for tests only."""
    return _whole(data / "general/distractors")


def _whole(folder: Path) -> list[Picture]:
    return [Picture(folder / name, label) for name, label in _read_list(folder / "list.txt")]


def _read_list(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(name, label) for name, label in (line.split("\t") for line in lines if line)]
