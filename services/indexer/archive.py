"""The archive of a gallery: one uncompressed .tar. Names, records and their limits.

    gallery.json              {"format": 1, "name", "description", "keep_pictures", "fingerprint", "dim"}
    pictures/<sha256>         each picture once
    items/<n>.jsonl           one item a line, with its references
    embeddings/<n>.npy        float32 (references of items/<n>.jsonl in their order, dim)

Pictures come before the items that mention them, items before their embeddings.
"""

import hashlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from kenspeckle.types import ItemId, Label, NewReference, Strict
from services.common.errors import Malformed, Unprocessable
from services.common.tensors import decode_npy

Part = TypeVar("Part", bound=Strict)

GALLERY = "gallery.json"
PICTURE = re.compile(r"pictures/([0-9a-f]{64})")
ITEMS = re.compile(r"items/(\d{1,9})\.jsonl")
EMBEDDINGS = re.compile(r"embeddings/(\d{1,9})\.npy")
MAX_FILE_BYTES = 256 * 1024 * 1024


class ArchivedGallery(Strict):
    """``gallery.json``."""

    format: Literal[1] = 1
    name: str
    description: str = Field(max_length=1000)
    keep_pictures: bool
    fingerprint: str | None = Field(max_length=128)
    dim: int | None = Field(ge=1, le=8192)


class ArchivedReference(NewReference):
    """One reference of an item; without a picture if it was not kept."""

    id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    picture_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    kept: bool
    created_at: datetime


class ArchivedItem(Strict):
    """One line of ``items/<n>.jsonl``."""

    id: ItemId
    label: Label | None
    negative: bool
    metadata: dict[str, Any]
    created_at: datetime
    references: list[ArchivedReference] = Field(min_length=1)


@dataclass(frozen=True)
class ArchivedPicture:
    """A picture whose content has the hash that its name states."""

    sha256: str
    content: bytes


@dataclass(frozen=True)
class Portion:
    """Some items and the embeddings of their references: ``(references, dim) float32``, or None without any."""

    items: list[ArchivedItem]
    embeddings: NDArray[np.float32] | None


def read_archive(tar: tarfile.TarFile) -> Iterator[ArchivedGallery | ArchivedPicture | Portion]:
    """What an archive holds, in its order; the gallery first. Names are matched, never used as paths.

    Raises:
        Malformed: if it is no archive of a gallery.
        Unprocessable: if a part of it is broken.
    """
    files = _files(tar)
    name, content = next(files, ("", b""))
    if name != GALLERY:
        raise Malformed(f"the archive does not begin with {GALLERY}: it is no exported gallery")
    head = _parse(ArchivedGallery, content, name)
    yield head
    for name, content in files:
        if picture := PICTURE.fullmatch(name):
            if hashlib.sha256(content).hexdigest() != picture[1]:
                raise Unprocessable("the picture is not the one that its name states", name)
            yield ArchivedPicture(picture[1], content)
        elif portion := ITEMS.fullmatch(name):
            items = [_parse(ArchivedItem, line, name) for line in content.splitlines()]
            yield Portion(items, _embeddings(head, items, portion[1], files))
        else:
            raise Malformed(f"the archive holds {name[:100]!r}, which is no part of an exported gallery")


def _embeddings(
    head: ArchivedGallery, items: list[ArchivedItem], number: str, files: Iterator[tuple[str, bytes]]
) -> NDArray[np.float32] | None:
    if head.fingerprint is None or head.dim is None:
        if items:
            raise Unprocessable("there are items but no fingerprint", GALLERY)
        return None
    name, content = next(files, ("", b""))
    if name != f"embeddings/{number}.npy":
        raise Unprocessable("the embeddings of these items do not follow them", f"items/{number}.jsonl")
    references = sum(len(item.references) for item in items)
    array: NDArray[np.float32] = decode_npy(content, np.float32, (references, head.dim), name)
    return array


def _files(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        if member.isdir():
            continue
        stream = tar.extractfile(member) if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else None
        if stream is None:
            raise Malformed(f"the archive holds {member.name[:100]!r}, which is no plain file")
        if member.size > MAX_FILE_BYTES:
            raise Unprocessable(f"larger than {MAX_FILE_BYTES} bytes", member.name[:100])
        content = stream.read()
        if len(content) != member.size:
            raise Malformed("the archive ends in the middle of a file")
        yield member.name, content


def _parse(kind: type[Part], content: bytes, name: str) -> Part:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unprocessable(f"{place}: {first['msg']}" if place else str(first["msg"]), name) from error
