"""Real photos through HTTP: enrol products from pictures, recognise other photos of them.

    python -m benchmarks.grocery --url http://127.0.0.1:8000 --per-class 8

Data (optional folder, see ``KENSPECKLE_SHARED``): the Grocery Store Dataset (icons and train photos are enrolled, test
photos recognised) and photos of several playing cards or snacks at once. The detector's boxes are compared with the
whole picture and with the boxes of the teacher model. Classes that the extractor was not trained on stand apart.
"""

import argparse
import csv
import json
import os
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from kenspeckle.client import Client
from kenspeckle.geometry import box_iou
from kenspeckle.types import Box, RecognizedObject

Mode = Literal["detection", "whole", "teacher"]
MODES: tuple[Mode, ...] = ("detection", "whole", "teacher")
PHOTOS_PER_CLASS = 3
FOUND_IOU = 0.5
PARALLEL = 2


class Photo(NamedTuple):
    """A photo of one product."""

    path: Path
    label: str


@dataclass
class Tally:
    """Counts of one group of photos."""

    photos: int = 0
    top1: int = 0
    known_right: int = 0
    known_wrong: int = 0
    ambiguous: int = 0
    unknown: int = 0

    def add(self, label: str, thing: RecognizedObject | None) -> None:
        """Count the answer to one photo."""
        self.photos += 1
        if thing is None:
            self.unknown += 1
            return
        best = thing.candidates[0].label if thing.candidates else None
        self.top1 += best == label
        if thing.decision == "known":
            self.known_right += thing.label == label
            self.known_wrong += thing.label != label
        else:
            self.ambiguous += thing.decision == "ambiguous"
            self.unknown += thing.decision == "unknown"


class Grocery:
    """The data set as laid out in the optional folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with (folder / "classes.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.cartons = {row["fine"] for row in rows if row["group"] == "Packages"}
        self.unseen = {
            row["fine"]
            for group in (True, False)
            for number, row in enumerate(r for r in rows if (r["group"] == "Packages") == group)
            if number % 3 == 0
        }
        boxes = json.loads((folder / "boxes" / "localizer.json").read_text())["images"]
        self._teacher: dict[str, Box] = {name: tuple(entry["boxes"][0]) for name, entry in boxes.items()}

    def photos(self, split: str, per_class: int | None = None) -> list[Photo]:
        """Photos of a split; ``per_class`` of each class, drawn with a fixed seed."""
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
        return self._teacher.get(photo.path.relative_to(self._folder).as_posix())

    def groups(self, label: str) -> Iterator[str]:
        """Groups that a class is counted in."""
        yield "all"
        yield "cartons" if label in self.cartons else "produce"
        if label in self.unseen:
            yield "classes unseen in training"


def best_object(things: list[RecognizedObject]) -> RecognizedObject | None:
    """The answer that a photo of one thing gets: the most probable object."""
    return max(things, key=lambda thing: thing.probability, default=None)


def enrol(client: Client, data: Grocery, gallery: str, photos: list[Photo], mode: Mode) -> None:
    """Enrol one item per class, a reference per photo, each cut as ``mode`` says."""
    by_class: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_class[photo.label].append(photo)

    def add(label: str) -> None:
        for photo in by_class[label]:
            box = data.teacher_box(photo) if mode == "teacher" else None
            crop: Literal["auto", "whole"] | None = None if box else "auto" if mode == "detection" else "whole"
            client.enrol(photo.path, label, gallery=gallery, item_id=label, box=box, crop=crop)

    client.create_gallery(gallery)
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(add, by_class))


def recognise(client: Client, data: Grocery, gallery: str, photo: Photo, mode: Mode) -> RecognizedObject | None:
    """The answer to one photo."""
    box = data.teacher_box(photo) if mode == "teacher" else None
    answer = client.recognize(
        photo.path, gallery=gallery, detect=mode == "detection", boxes=[box] if box is not None else None
    )
    return best_object(answer.objects)


def run_grocery(client: Client, folder: Path, per_class: int | None) -> dict[str, dict[str, Tally]]:
    """All modes, with icon and three photos a class and with the icon alone: tallies by setting and group.

    Galleries of all classes hold things of which the extractor's cohort has other photos: there p is far too careful.
    Galleries of the classes that nothing was trained on stand for a user's own things.
    """
    data = Grocery(folder)
    icons, train, queries = data.photos("icons"), data.photos("train", PHOTOS_PER_CLASS), data.photos("test", per_class)
    results: dict[str, dict[str, Tally]] = {}
    for scope, labels in (("unseen classes", data.unseen), ("all classes", {photo.label for photo in icons})):
        asked = [photo for photo in queries if photo.label in labels]
        for title, references in (("icon + 3 photos", icons + train), ("icon alone", icons)):
            shown = [photo for photo in references if photo.label in labels]
            for mode in MODES:
                setting = f"{scope}, {title}, {mode}"
                results[setting] = run_setting(client, data, shown, asked, mode)
                print(f"{setting}: {len(asked)} photos", file=sys.stderr)
    return results


def run_setting(
    client: Client, data: Grocery, references: list[Photo], queries: list[Photo], mode: Mode
) -> dict[str, Tally]:
    """Tallies by group of one gallery and one way to cut."""
    gallery = "grocery-benchmark"
    enrol(client, data, gallery, references, mode)
    tallies: dict[str, Tally] = defaultdict(Tally)
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = pool.map(lambda photo: recognise(client, data, gallery, photo, mode), queries)
        for photo, thing in zip(queries, answers, strict=True):
            for group in data.groups(photo.label):
                tallies[group].add(photo.label, thing)
    client.delete_gallery(gallery)
    return tallies


def run_multi(client: Client, folder: Path) -> dict[str, int]:
    """Photos of several known things: objects there, found, rightly named, rightly decided as known."""
    for line in (folder / "gallery.txt").read_text(encoding="utf-8").splitlines():
        name, label = line.split("\t")
        client.enrol(folder / name, label, gallery="multi", item_id=label, crop="whole")
    truth = json.loads((folder / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in truth["categories"]}
    counts = dict.fromkeys(("objects", "found", "named", "known_right", "known_wrong"), 0)
    for image in truth["images"]:
        things = client.recognize(folder / image["file_name"], gallery="multi", max_objects=10).objects
        for entry in truth["annotations"]:
            if entry["image_id"] != image["id"]:
                continue
            x, y, width, height = entry["bbox"]
            counts["objects"] += 1
            overlaps = box_iou([[x, y, x + width, y + height]], [thing.box for thing in things])[0]
            if not len(overlaps) or overlaps.max() < FOUND_IOU:
                continue
            thing = things[int(overlaps.argmax())]
            counts["found"] += 1
            counts["named"] += thing.candidates[0].label == names[entry["category_id"]]
            if thing.decision == "known":
                right = thing.label == names[entry["category_id"]]
                counts["known_right" if right else "known_wrong"] += 1
    client.delete_gallery("multi")
    return counts


def table(results: dict[str, dict[str, Tally]]) -> str:
    """Markdown."""
    lines = [
        "| gallery, boxes | photos of | n | top-1 label | known and right | known but wrong | ambiguous | unknown |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for setting, groups in results.items():
        for group, tally in groups.items():
            counts = (tally.top1, tally.known_right, tally.known_wrong, tally.ambiguous, tally.unknown)
            shares = " | ".join(f"{count / tally.photos:.3f}" for count in counts)
            lines.append(f"| {setting} | {group} | {tally.photos} | {shares} |")
    return "\n".join(lines)


def main() -> None:
    """Run both parts and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=None, help="the service (default: KENSPECKLE_URL or http://127.0.0.1:8000)")
    parser.add_argument("--per-class", type=int, default=None, help="test photos of each class (default: all)")
    parser.add_argument("--out", type=Path, default=None, help="also write the counts as JSON")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("KENSPECKLE_SHARED", "../shared")) / "data"
    if not (folder / "grocery").is_dir():
        sys.exit(f"{folder / 'grocery'} is not there: set KENSPECKLE_SHARED to the folder with the data sets")
    with Client(arguments.url) as client:
        results = run_grocery(client, folder / "grocery", arguments.per_class)
        multi = run_multi(client, folder / "multi")
    print(table(results))
    print("\nseveral things in one photo:", ", ".join(f"{name} {count}" for name, count in multi.items()))
    if arguments.out:
        counts = {setting: {g: asdict(t) for g, t in groups.items()} for setting, groups in results.items()}
        arguments.out.write_text(json.dumps({"grocery": counts, "multi": multi}, indent=2))


if __name__ == "__main__":
    main()
