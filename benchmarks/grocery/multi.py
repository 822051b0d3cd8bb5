"""Photos of several known things at once: what is found, and what of it is rightly named."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.grocery.tally import share_with_interval
from kenspeckle.client import Client
from kenspeckle.geometry import box_iou
from kenspeckle.types import RecognizedObject

FOUND_IOU = 0.5
MAX_OBJECTS = 10
GALLERY = "grocery-benchmark-multi"
COUNTS = ("objects", "found", "rightly named", "known and right", "known but wrong")


def run(client: Client, folder: Path) -> NDArray[np.float64]:
    """Enrol the gallery pictures, recognise the scenes: ``COUNTS`` of every scene, ``(scenes, 5)``."""
    for line in (folder / "gallery.txt").read_text(encoding="utf-8").splitlines():
        name, label = line.split("\t")
        client.enrol(folder / name, label, gallery=GALLERY, item_id=label, crop="whole")
    truth = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in truth["categories"]}
    counts = []
    for image in truth["images"]:
        shown = [
            (names[entry["category_id"]], entry["bbox"])
            for entry in truth["annotations"]
            if entry["image_id"] == image["id"]
        ]
        things = client.recognize(folder / image["file_name"], gallery=GALLERY, max_objects=MAX_OBJECTS).objects
        counts.append(np.sum([_judged(label, box, things) for label, box in shown], axis=0))
    client.delete_gallery(GALLERY)
    return np.array(counts, float)


def _judged(label: str, xywh: list[float], things: list[RecognizedObject]) -> NDArray[np.int64]:
    x, y, width, height = xywh
    overlaps = box_iou([[x, y, x + width, y + height]], [thing.box for thing in things])[0]
    if not len(overlaps) or overlaps.max() < FOUND_IOU:
        return np.array([1, 0, 0, 0, 0])
    thing = things[int(overlaps.argmax())]
    named = bool(thing.candidates) and thing.candidates[0].label == label
    known, right = thing.decision == "known", thing.label == label
    return np.array([1, 1, named, known and right, known and not right], np.int64)


def report(counts: NDArray[np.float64]) -> str:
    """One line."""
    parts = []
    for index, name in enumerate(COUNTS[1:], 1):
        share, low, high = share_with_interval(counts[:, index], counts[:, 0])
        parts.append(f"{name} {counts[:, index].sum():.0f} ({share:.3f} [{low:.2f}, {high:.2f}])")
    return f"{len(counts)} photos of several things: {counts[:, 0].sum():.0f} things, {', '.join(parts)}"
