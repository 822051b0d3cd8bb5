"""Folders: one per class, or files whose names state identity and camera."""

import re
from functools import partial
from pathlib import Path

from training.data.labels import LabelledSet, labelled_set
from training.data.pictures import PICTURE_SUFFIXES, Picture, folder_pictures
from training.data.readers.base import DATASETS, existing

IDENTITY_AND_CAMERA = re.compile(r"(-?\d+)_c(\d+)")
JUNK = -1
USUAL_PLACES = {
    "Market1501": "market1501/Market-1501-v15.09.15",
    "DukeMTMC": "dukemtmc/DukeMTMC-reID",
    "MSMT17": "msmt17/MSMT17_V1",
}
"""Where the old stack looked for them under image_root."""


@DATASETS.register("FolderDataset", "ImageFolder")
def folder(image_root: str) -> LabelledSet:
    """``image_root/label/…/picture.jpg``: every sub-folder is a label."""
    return labelled_set(folder_pictures(existing(Path(image_root), "folder")))


def identity_pictures(directory: Path, pattern: re.Pattern[str] = IDENTITY_AND_CAMERA) -> list[Picture]:
    """Pictures whose names state identity and camera, as ``0002_c1s1_000451_03.jpg``; identity -1 (junk) is left out.

    ``group`` is the camera, counted from 0.

    Raises:
        ValueError: if there is no picture, or a name states neither.
    """
    pictures = []
    for path in sorted(existing(directory, "folder").rglob("*")):
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        if (found := pattern.search(path.name)) is None:
            raise ValueError(f"{path}: the name states no identity and camera, as 0002_c1s1_000451_03.jpg does")
        if int(found[1]) != JUNK:
            pictures.append(Picture(path, str(int(found[1])), group=str(int(found[2]) - 1)))
    if not pictures:
        raise ValueError(f"{directory}: no pictures")
    return pictures


def identities(name: str, image_root: str, cls_label_path: str, relabel: bool | None = None) -> LabelledSet:
    """A re-identification set; ``cls_label_path`` names the folder: bounding_box_train, query or bounding_box_test.

    It is relabelled if it trains (its name has "train"), unless ``relabel`` says otherwise.

    Raises:
        ValueError: if the folder is neither where the old stack has it nor right under ``image_root``.
    """
    places = [Path(image_root) / USUAL_PLACES[name] / cls_label_path, Path(image_root) / cls_label_path]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise ValueError(f"{name}: no folder {places[0]} or {places[1]}")
    return labelled_set(identity_pictures(found), relabel="train" in cls_label_path if relabel is None else relabel)


for _name in USUAL_PLACES:
    DATASETS.register(_name)(partial(identities, _name))
