"""A gallery exported from a running stack: one .tar of pictures and items."""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from training.data.labels import LabelledSet, labelled_set
from training.data.pictures import Picture
from training.data.readers.base import DATASETS, existing

HEAD = "gallery.json"
FORMAT = 1
PICTURE = re.compile(r"pictures/([0-9a-f]{64})")
ITEMS = re.compile(r"items/\d{1,9}\.jsonl")
MAX_FILE_BYTES = 256 * 1024 * 1024


def gallery_pictures(archive: Path, folder: Path, by: Literal["label", "item"] = "label") -> list[Picture]:
    """Unpack the pictures of an exported gallery and label its references.

    Args:
        archive: what ``GET /galleries/{g}/export`` gave.
        folder: where pictures are written, named by the hash of their content; what is there already is kept.
        by: make a class of each label, or of each item (several items may have one label).

    Negatives (items without a label) and references whose picture was not kept are left out.

    Raises:
        ValueError: if it is no exported gallery, is damaged, or holds no picture.
    """
    if by not in ("label", "item"):
        raise ValueError(f"by is label or item, got {by!r}")
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[Picture] = []
    for name, content in _files(existing(archive, "archive")):
        if picture := PICTURE.fullmatch(name):
            if hashlib.sha256(content).hexdigest() != picture[1]:
                raise ValueError(f"{archive}: {name}: the picture is not the one that its name states")
            _write(folder / picture[1], content)
        elif ITEMS.fullmatch(name):
            for number, line in enumerate(content.splitlines(), 1):
                try:
                    pictures += _references(json.loads(line), folder, by)
                except (KeyError, TypeError, ValueError) as error:
                    raise ValueError(f"{archive}: {name}: line {number}: no item of a gallery ({error!r})") from error
    if not pictures:
        raise ValueError(f"{archive}: no labelled item has a kept picture (the gallery's keep_pictures setting)")
    return pictures


def _references(item: dict[str, Any], folder: Path, by: str) -> list[Picture]:
    if item["negative"] or item["label"] is None:
        return []
    found = []
    for reference in item["references"]:
        if reference["kept"]:
            if not PICTURE.fullmatch(f"pictures/{reference['picture_sha256']}"):
                raise ValueError("picture_sha256")
            path = folder / reference["picture_sha256"]
            box = tuple(float(value) for value in reference["box"]) if reference["box"] else None
            if box is not None and len(box) != 4:
                raise ValueError("box")
            found.append(
                Picture(existing(path, "picture in the archive"), item["label" if by == "label" else "id"], box)
            )
    return found


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(archive, "r:") as tar:
            for position, member in enumerate(tar):
                if position == 0 and member.name != HEAD:
                    raise ValueError(f"{archive}: does not begin with {HEAD}: it is no exported gallery")
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None or member.size > MAX_FILE_BYTES:
                    raise ValueError(
                        f"{archive}: {member.name[:100]!r} is no plain file of at most {MAX_FILE_BYTES} bytes"
                    )
                content = stream.read()
                if position == 0 and json.loads(content).get("format") != FORMAT:
                    raise ValueError(f"{archive}: a format of galleries other than {FORMAT}: update this checkout")
                yield member.name, content
    except (tarfile.TarError, json.JSONDecodeError, AttributeError) as error:
        raise ValueError(f"{archive}: no exported gallery, or cut off ({error})") from error


def _write(path: Path, content: bytes) -> None:
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)


@DATASETS.register("GalleryDataset")
def gallery(archive: str, folder: str | None = None, by: Literal["label", "item"] = "label") -> LabelledSet:
    """An exported gallery; pictures are unpacked into ``folder``, by default beside the archive."""
    file = Path(archive)
    return labelled_set(gallery_pictures(file, Path(folder) if folder else file.with_suffix(".pictures"), by))
