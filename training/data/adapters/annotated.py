"""Layouts of data sets with boxes in annotation files (XML, JSON)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from training.data.adapters.common import Parts, present
from training.data.pictures import Picture
from training.data.readers.base import existing, join

Box = tuple[float, float, float, float]


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file without document type (which could define entities).

    Raises:
        ValueError: if it is no such file.
    """
    text = existing(path, "annotation").read_text(encoding="utf-8")
    if "<!DOCTYPE" in text:
        raise ValueError(f"{path}: XML with a document type is not read")
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: {error}") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: if it is none.
    """
    try:
        return json.loads(existing(path, "annotation").read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error


@dataclass(frozen=True)
class VocFolders:
    """``group/class/name.jpg`` with ``name.xml`` beside it: each ``object/bndbox`` is a picture of the class."""

    folder: str

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read."""
        return ("all",)

    @property
    def tree(self) -> str:
        """The files in one line."""
        return f"{self.folder}/group/class/name.jpg with name.xml (object/bndbox)"

    def read(self, root: Path, split: str) -> list[Picture]:
        """Every box of every picture."""
        found = []
        for annotation in sorted(existing(root / self.folder, "folder").rglob("*.xml")):
            label = "/".join(annotation.relative_to(root / self.folder).parts[:-1])
            for box in read_xml(annotation).iterfind("object/bndbox"):
                x0, y0, x1, y1 = (float(box.findtext(side, "nan")) for side in ("xmin", "ymin", "xmax", "ymax"))
                found.append(Picture(annotation.with_suffix(".jpg"), label, (x0, y0, x1, y1)))
        return present(found, root / self.folder)


@dataclass(frozen=True)
class Manga109:
    """``annotations/Book.xml`` with a box of each face (or body) and its character, ``images/Book/000.jpg``."""

    kind: str = "face"

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read."""
        return ("all",)

    @property
    def tree(self) -> str:
        """The files in one line."""
        return f"annotations/Book.xml (page/{self.kind}), images/Book/000.jpg"

    def read(self, root: Path, split: str) -> list[Picture]:
        """Every face, labelled ``book/character``."""
        found = []
        for annotation in sorted(existing(root / "annotations", "folder").glob("*.xml")):
            for page in read_xml(annotation).iterfind("pages/page"):
                path = root / "images" / annotation.stem / f"{int(page.attrib['index']):03d}.jpg"
                for face in page.iterfind(self.kind):
                    x0, y0, x1, y1 = (float(face.attrib[side]) for side in ("xmin", "ymin", "xmax", "ymax"))
                    found.append(Picture(path, f"{annotation.stem}/{face.attrib['character']}", (x0, y0, x1, y1)))
        return present(found, root / "annotations")


@dataclass(frozen=True)
class TrafficSigns(Parts):
    """Tsinghua-Tencent 100K: ``data/annotations.json``; the part is the folder that a picture's path begins with."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "data/annotations.json (imgs/id/objects/bbox), data/train/*.jpg, data/test/*.jpg"

    def read(self, root: Path, split: str) -> list[Picture]:
        """Every sign of the part's pictures."""
        found = []
        for image in read_json(root / "data/annotations.json")["imgs"].values():
            if image["path"].startswith(f"{self.parts[split]}/"):
                for sign in image["objects"]:
                    x0, y0, x1, y1 = (float(sign["bbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax"))
                    found.append(Picture(join(root / "data", image["path"]), sign["category"], (x0, y0, x1, y1)))
        return present(found, root / "data/annotations.json")


@dataclass(frozen=True)
class BoxCars(Parts):
    """BoxCars116k in its JSON form: ``json_data/dataset.json`` and ``classification_splits.json``.

    ``group`` is the number of the vehicle's track.
    """

    task: str = "hard"

    @property
    def tree(self) -> str:
        """The files in one line."""
        return "json_data/dataset.json, json_data/classification_splits.json, images/…"

    def read(self, root: Path, split: str) -> list[Picture]:
        """Every picture of the part's vehicles, labelled by the official classes of the task."""
        samples = read_json(root / "json_data/dataset.json")["samples"]
        chosen = read_json(root / "json_data/classification_splits.json")[self.task][self.parts[split]]
        found = [
            Picture(join(root / "images", instance["path"]), str(label), group=str(vehicle))
            for vehicle, label in chosen
            for instance in samples[vehicle]["instances"]
        ]
        return present(found, root / "json_data/dataset.json")


@dataclass(frozen=True)
class CocoLabels(Parts):
    """A JSON file per part that gives each picture a category, as iNaturalist's: (file, folder of the pictures)."""

    @property
    def tree(self) -> str:
        """The files in one line."""
        return ", ".join(
            f"{file} (images, annotations; pictures below {folder})" for file, folder in self.parts.values()
        )

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of the part."""
        file, folder = self.parts[split]
        content = read_json(root / file)
        names = {image["id"]: image["file_name"] for image in content["images"]}
        found = [
            Picture(join(root / folder, names[one["image_id"]]), str(one["category_id"]))
            for one in content["annotations"]
        ]
        return present(found, root / file)


@dataclass(frozen=True)
class CartoonFaces:
    """iCartoonFace: persons' folders with boxes in one file; test pictures with box and label in another.

    Part test has the 2000 persons asked for, part distractors the pictures of others (-1 in the file).
    """

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read."""
        return ("train", "test", "distractors")

    @property
    def tree(self) -> str:
        """The files in one line."""
        return (
            "personai_icartoonface_rectrain/icartoonface_rectrain_det.txt (path x0 y0 x1 y1), "
            "…/icartoonface_rectrain/person/*.jpg; icartoonface_rectest_info.txt (name x0 y0 x1 y1 label), "
            "personai_icartoonface_rectest/icartoonface_rectest/*.jpg"
        )

    def read(self, root: Path, split: str) -> list[Picture]:
        """The faces of the part."""
        if split == "train":
            base = root / "personai_icartoonface_rectrain"
            rows = self._rows(base / "icartoonface_rectrain_det.txt", 5)
            found = [
                Picture(join(base / "icartoonface_rectrain", name), name.split("/")[0], box) for name, box, _ in rows
            ]
        else:
            folder = root / "personai_icartoonface_rectest/icartoonface_rectest"
            rows = self._rows(root / "icartoonface_rectest_info.txt", 6)
            found = [
                Picture(join(folder, name), "distractor" if label == "-1" else label, box)
                for name, box, (label,) in rows
                if (label == "-1") == (split == "distractors")
            ]
        return present(found, root)

    @staticmethod
    def _rows(file: Path, columns: int) -> Iterator[tuple[str, Box, list[str]]]:
        # The test file goes on with pairs of names, which are no rows of pictures.
        for line in existing(file, "list file").read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if len(fields) == columns:
                x0, y0, x1, y1 = (float(value) for value in fields[1:5])
                yield fields[0], (x0, y0, x1, y1), fields[5:]
