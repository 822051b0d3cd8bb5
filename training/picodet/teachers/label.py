"""Pseudo-labels: boxes that teachers draw on pictures, as a COCO file that says where they come from."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from kenspeckle.bundle import BundleError, read_bundle
from training.data.pictures import PICTURE_SUFFIXES
from training.picodet.data import DataError
from training.picodet.evaluation.detectors import Detector, bundle_detector
from training.picodet.teachers.adapter import LOCALIZER, OnnxDetector, read_adapter
from training.picodet.teachers.agreement import Agreed, Rule, agreed_boxes


@dataclass(frozen=True)
class Teacher:
    """A detector and what the provenance says of it: name, licence, and the digest of what it computes."""

    name: str
    licence: str
    fingerprint: str
    detect: Detector


@dataclass(frozen=True)
class Origin:
    """What every image of the file says: ``source_key`` groups them, ``source`` and ``licence`` go into model cards."""

    source_key: str
    source: str
    licence: str


def open_teacher(path: Path) -> Teacher:
    """A bundle folder, an adapter file (``.yaml``), or the ONNX file of Mobile Object Localizer.

    Raises:
        DataError: if it is none of these, or broken.
    """
    if path.is_dir():
        try:
            bundle = read_bundle(path)
        except BundleError as error:
            raise DataError(str(error)) from error
        if bundle.card.kind != "detector":
            raise DataError(f"{path}: a bundle of kind {bundle.card.kind}; a teacher must be a detector")
        card = bundle.card
        return Teacher(f"{card.name} {card.version}", card.licence, card.fingerprint, bundle_detector(bundle))
    if path.suffix == ".onnx":
        adapter, model = LOCALIZER, path
        if path.name != LOCALIZER.model:
            raise DataError(f"{path}: write an adapter file (YAML) that says how this model is fed and read")
    else:
        adapter = read_adapter(path)
        model = path.parent / adapter.model
    try:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{model}: cannot be read: {error}") from error
    return Teacher(adapter.name, adapter.licence, f"sha256:{digest}", OnnxDetector(adapter, model))


def picture_files(place: Path) -> list[Path]:
    """Pictures below a folder, or those that the lines of a list name (up to the first TAB), relative to it.

    Raises:
        DataError: if there is none.
    """
    if place.is_dir():
        found = sorted(path for path in place.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    else:
        try:
            lines = place.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{place}: cannot be read: {error}") from error
        found = [place.parent / line.split("\t")[0] for line in lines if line.strip()]
    if not found:
        raise DataError(f"{place}: no pictures")
    return found


def pseudo_labels(
    pictures: Sequence[Path],
    teachers: Sequence[Teacher],
    rule: Rule,
    origin: Origin,
    root: Path,
    report: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """The COCO data set of what the teachers agree on; pictures without such a box are left out.

    Boxes that too few teachers have are annotations with ``ignore``. File names are relative to ``root``. ``info``
    holds teachers and rule, every annotation the mean score and which teachers have the box.

    Raises:
        DataError: naming a picture that cannot be read.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for path in pictures:
        image = _open(path)
        believed, doubted = agreed_boxes([teacher.detect(image) for teacher in teachers], rule)
        report()
        if not believed:
            continue
        images.append(_image_entry(len(images) + 1, path, image, origin, root))
        for agreed, ignore in [*((one, 0) for one in believed), *((one, 1) for one in doubted)]:
            annotations.append(_annotation(len(annotations) + 1, len(images), agreed, ignore, teachers))
    entries = [{"name": t.name, "licence": t.licence, "fingerprint": t.fingerprint} for t in teachers]
    info = {
        "description": f"Boxes drawn by {', '.join(teacher.name for teacher in teachers)}; not checked by people",
        "teachers": entries,
        "rule": asdict(rule),
        "pictures_seen": len(pictures),
    }
    categories = [{"id": 1, "name": "mainbody"}]
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}


def write_coco(content: dict[str, Any], path: Path) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            if ImageOps.exif_transpose(image).size != image.size:
                raise DataError(f"{path}: turned by its EXIF data: store it upright first (boxes are of stored pixels)")
            return image.convert("RGB")
    except OSError as error:
        raise DataError(f"{path}: cannot be read as a picture: {error}") from error


def _image_entry(number: int, path: Path, image: Image.Image, origin: Origin, root: Path) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": os.path.relpath(path, root).replace(os.sep, "/"),
        "width": image.width,
        "height": image.height,
        "source_key": origin.source_key,
        "source": origin.source,
        "license": origin.licence,
        "box_origin": "teacher",
    }


def _annotation(number: int, image: int, agreed: Agreed, ignore: int, teachers: Sequence[Teacher]) -> dict[str, Any]:
    x0, y0, x1, y1 = (round(float(value), 2) for value in agreed.box)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)],
        "area": round((x1 - x0) * (y1 - y0), 2),
        "iscrowd": 0,
        "ignore": ignore,
        "score": round(agreed.score, 4),
        "teachers": [teachers[index].name for index in agreed.teachers],
    }
