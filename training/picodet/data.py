"""Pictures with boxes: COCO files, pseudo-boxes, decoding."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PSEUDO_BOX_SCORE = 0.3
IGNORED = -1
"""Label of a region that is neither object nor background."""


class DataError(ValueError):
    """An annotation file that cannot be used; the text names the file and the entry."""


@dataclass(frozen=True)
class Picture:
    """A picture file with boxes ``(G, 4) float32`` in its pixels, x1 and y1 exclusive, and their labels ``(G,) int64``.

    A label is the index of a class, or ``IGNORED``. ``source`` groups pictures in weights and reports; ``credit`` and
    ``licence`` go into the model card.
    """

    path: Path
    source: str
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    credit: str = ""
    licence: str = ""

    @property
    def objects(self) -> NDArray[np.float32]:
        """Boxes of the objects, without the ignored regions."""
        return np.asarray(self.boxes[self.labels != IGNORED])

    @property
    def ignored(self) -> NDArray[np.float32]:
        """Boxes of the ignored regions."""
        return np.asarray(self.boxes[self.labels == IGNORED])


@dataclass(frozen=True)
class Sample:
    """A decoded RGB picture, boxes ``(G, 4) float32`` in its pixels and their labels ``(G,) int64``."""

    image: Image.Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def load(picture: Picture) -> Sample:
    """Decode a picture."""
    with Image.open(picture.path) as image:
        return Sample(image.convert("RGB"), picture.boxes.copy(), picture.labels.copy())


def read_coco(
    path: Path, mapping: Mapping[str, int] | None = None, min_area: float = 0.0, images: Path | None = None
) -> list[Picture]:
    """Read a COCO annotation file.

    Annotations that say ``ignore`` or ``iscrowd``, objects of categories that ``mapping`` lacks and objects under
    ``min_area`` become regions to ignore.

    Args:
        mapping: class of each category name; without it all categories are class 0.
        min_area: smallest object, as a share of its picture's area.
        images: folder of the pictures; that of the file if left out.

    Raises:
        DataError: for unreadable JSON, missing keys, boxes without area or outside of their picture,
            annotations of unknown pictures or categories, names in ``mapping`` that the file does not have.
    """
    content = _read_json(path)
    try:
        listed = {image["id"]: image for image in content["images"]}
        classes = _classes(path, content.get("categories", []), mapping)
        found: dict[int, list[tuple[list[float], int]]] = {key: [] for key in listed}
        for annotation in content["annotations"]:
            image = listed.get(annotation["image_id"])
            if image is None:
                raise DataError(f"{path}: annotation {annotation.get('id')}: no image {annotation['image_id']}")
            box = _coco_box(path, annotation, image)
            label = _coco_label(path, annotation, classes)
            small = (box[2] - box[0]) * (box[3] - box[1]) < min_area * image["width"] * image["height"]
            found[annotation["image_id"]].append((box, IGNORED if small else label))
        folder = path.parent if images is None else images
        return [_coco_picture(path, folder, image, found[key]) for key, image in listed.items()]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a COCO detection file: {error!r}") from error


def read_pseudo_boxes(path: Path, names: Iterable[str], root: Path, source: str) -> list[Picture]:
    """Read the pseudo-boxes of the pictures ``names`` below ``root``, those of score ``PSEUDO_BOX_SCORE`` or more.

    The file is ``{"images": {name: {"boxes": [[x0, y0, x1, y1], ...], "scores": [...]}}}``. Pictures without
    a sure box are left out: nobody looked whether they are empty.

    Raises:
        DataError: if the file cannot be read or lacks a name.
    """
    content = _read_json(path)
    pictures = []
    try:
        for name in names:
            entry = content["images"][name]
            pairs = zip(entry["boxes"], entry["scores"], strict=True)
            sure = [box for box, score in pairs if score >= PSEUDO_BOX_SCORE]
            if sure:
                pictures.append(Picture(root / name, source, as_array(sure), one_class(len(sure))))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a file of pseudo-boxes for these pictures: {error!r}") from error
    return pictures


def read_checked(path: Path, root: Path, kind: str) -> list[Picture]:
    """Read hand-checked boxes: ``{"images": {name: {"kind": ..., "box": [x0, y0, x1, y1]}}}``, those of ``kind``.

    Raises:
        DataError: if the file has another form.
    """
    content = _read_json(path)
    try:
        chosen = {name: entry["box"] for name, entry in content["images"].items() if entry["kind"] == kind}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a file of checked boxes: {error!r}") from error
    return [Picture(root / name, f"checked {kind}", as_array([box]), one_class(1)) for name, box in chosen.items()]


def as_array(boxes: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """Boxes as ``(G, 4) float32``, also if there are none."""
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def one_class(count: int) -> NDArray[np.int64]:
    """Labels of ``count`` objects of class 0."""
    return np.zeros(count, np.int64)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _classes(path: Path, categories: Sequence[Mapping[str, Any]], mapping: Mapping[str, int] | None) -> dict[int, int]:
    """Class of each category id; without a mapping empty, which means class 0 for all."""
    if mapping is None:
        return {}
    names = {category["id"]: category["name"] for category in categories}
    missing = sorted(set(mapping) - set(names.values()))
    if missing:
        raise DataError(f"{path}: no category {missing[0]!r}; it has {', '.join(sorted(names.values())[:20])}")
    return {key: mapping.get(name, IGNORED) for key, name in names.items()}


def _coco_label(path: Path, annotation: Mapping[str, Any], classes: Mapping[int, int]) -> int:
    if annotation.get("ignore") or annotation.get("iscrowd"):
        return IGNORED
    if not classes:
        return 0
    if annotation["category_id"] not in classes:
        raise DataError(f"{path}: annotation {annotation.get('id')}: no category {annotation['category_id']}")
    return classes[annotation["category_id"]]


def _coco_picture(path: Path, folder: Path, image: Mapping[str, Any], found: list[tuple[list[float], int]]) -> Picture:
    source = image.get("source_key", path.stem)
    credit, licence = image.get("source", source), image.get("license", "")
    boxes, labels = as_array([box for box, _ in found]), np.array([label for _, label in found], np.int64)
    return Picture(folder / image["file_name"], source, boxes, labels, str(credit), str(licence))


def _coco_box(path: Path, annotation: Mapping[str, Any], image: Mapping[str, Any]) -> list[float]:
    try:
        x, y, width, height = (float(value) for value in annotation["bbox"])
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: annotation {annotation.get('id')}: bbox is not four numbers") from error
    x1, y1 = min(x + width, image["width"]), min(y + height, image["height"])
    x0, y0 = max(x, 0), max(y, 0)
    if x1 <= x0 or y1 <= y0:
        raise DataError(f"{path}: annotation {annotation.get('id')}: box {annotation['bbox']} has no area in its image")
    return [x0, y0, x1, y1]
