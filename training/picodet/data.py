"""Pictures with boxes: COCO files, pseudo-boxes, decoding."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PSEUDO_BOX_SCORE = 0.3


class DataError(ValueError):
    """An annotation file that cannot be used; the text names the file and the entry."""


@dataclass(frozen=True)
class Picture:
    """A picture file and the boxes ``(G, 4) float32`` of its objects, in pixels of the file, x1 and y1 exclusive.

    ``source`` groups pictures in weights and reports; ``credit`` and ``licence`` go into the model card.
    """

    path: Path
    source: str
    boxes: NDArray[np.float32]
    credit: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Sample:
    """Decoded pixels ``(H, W, 3) uint8`` RGB and boxes ``(G, 4) float32`` in these pixels."""

    image: Image.Image
    boxes: NDArray[np.float32]


def load(picture: Picture) -> Sample:
    """Decode a picture."""
    with Image.open(picture.path) as image:
        return Sample(image.convert("RGB"), picture.boxes.copy())


def read_coco(path: Path) -> list[Picture]:
    """Read a COCO annotation file; all categories count as one. Picture paths are relative to its folder.

    Raises:
        DataError: for unreadable JSON, missing keys, boxes without area or outside of their picture,
            annotations of unknown pictures.
    """
    content = _read_json(path)
    try:
        images = {image["id"]: image for image in content["images"]}
        boxes: dict[int, list[list[float]]] = {key: [] for key in images}
        for annotation in content["annotations"]:
            if annotation["image_id"] not in images:
                raise DataError(f"{path}: annotation {annotation.get('id')}: no image {annotation['image_id']}")
            boxes[annotation["image_id"]].append(_coco_box(path, annotation, images[annotation["image_id"]]))
        return [_coco_picture(path, image, boxes[key]) for key, image in images.items()]
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
                pictures.append(Picture(root / name, source, as_array(sure)))
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
    return [Picture(root / name, f"checked {kind}", as_array([box])) for name, box in chosen.items()]


def as_array(boxes: list[list[float]]) -> NDArray[np.float32]:
    """Boxes as ``(G, 4) float32``, also if there are none."""
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _coco_picture(path: Path, image: dict[str, Any], boxes: list[list[float]]) -> Picture:
    source = image.get("source_key", path.stem)
    credit, licence = image.get("source", source), image.get("license", "")
    return Picture(path.parent / image["file_name"], source, as_array(boxes), str(credit), str(licence))


def _coco_box(path: Path, annotation: dict[str, Any], image: dict[str, Any]) -> list[float]:
    try:
        x, y, width, height = (float(value) for value in annotation["bbox"])
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: annotation {annotation.get('id')}: bbox is not four numbers") from error
    x1, y1 = min(x + width, image["width"]), min(y + height, image["height"])
    x0, y0 = max(x, 0), max(y, 0)
    if x1 <= x0 or y1 <= y0:
        raise DataError(f"{path}: annotation {annotation.get('id')}: box {annotation['bbox']} has no area in its image")
    return [x0, y0, x1, y1]
