"""Pictures as a PyTorch data set: each item is decoded, cut out, transformed."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from training.data.labels import LabelledSet
from training.data.packed import PackedPictures
from training.data.transforms import Chain, Undecodable, build_transforms
from training.data.transforms.base import Op, Ops
from training.data.transforms.decode import Backend

Box = tuple[float, float, float, float]


class UnreadablePicture(ValueError):
    """A picture file that is missing or cannot be decoded; the message names it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which item, and where in training: what is random about an item depends on this and the seed alone.

    ``repeat`` counts how often the index came before in this epoch (samplers that repeat pictures give each
    repetition another view); ``size`` (width, height) replaces the chain's sizes where a sampler asks for one.
    """

    epoch: int
    index: int
    repeat: int = 0
    size: tuple[int, int] | None = None


class Item(TypedDict):
    """``image`` float32 ``(C, H, W)``."""

    image: torch.Tensor
    label: int
    index: int
    group: str | None


@dataclass(frozen=True)
class PictureCache:
    """A folder of decoded pictures (regions, cut out), for when decoding is what training waits for.

    ``short_side``: pictures are made smaller to this many pixels before they are kept (area averaging); None keeps
    all pixels. The key holds path, size and time of the file, so that a changed file is decoded anew.
    """

    folder: Path
    short_side: int | None = None

    def path_of(self, picture: str, box: Box | None = None) -> Path:
        """Where the decoded region of a picture file is kept."""
        status = os.stat(picture)
        identity = (picture, status.st_size, status.st_mtime_ns, box, self.short_side)
        name = hashlib.sha256(repr(identity).encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.npy"

    def reduce(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels that are kept."""
        height, width = pixels.shape[:2]
        if self.short_side is None or min(height, width) <= self.short_side:
            return pixels
        scale = self.short_side / min(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)

    def read(self, kept: Path) -> NDArray[np.uint8] | None:
        """What is kept, or None."""
        try:
            pixels: NDArray[np.uint8] = np.load(kept, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return pixels

    def write(self, kept: Path, pixels: NDArray[np.uint8]) -> None:
        """Keep pixels; a reader never sees half a file."""
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, pixels, allow_pickle=False)
        part.replace(kept)


class PictureDataset(Dataset[Item]):
    """The items of a labelled set.

    Args:
        pictures: what it holds.
        ops: transforms as a configuration has them.
        seed: of all that is random in the transforms.
        backend: decoder where ``ops`` does not begin with DecodeImage.
        cache: keep decoded pictures there.

    Raises:
        ValueError: if the transforms are not possible.
    """

    def __init__(
        self,
        pictures: LabelledSet,
        ops: Ops,
        seed: int = 0,
        backend: Backend = "cv2",
        cache: PictureCache | None = None,
    ) -> None:
        self.pictures = pictures
        self.labels = pictures.labels
        self._packed = PackedPictures(pictures.pictures)
        self.seed = seed
        self._ops, self._backend, self._cache = ops, backend, cache
        self._chain = build_transforms(ops, backend)
        self._sized: dict[tuple[int, int], Chain] = {}

    def __len__(self) -> int:
        return len(self.pictures)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """The decoded region of a picture before any transform, ``(H, W, 3) uint8``.

        Raises:
            UnreadablePicture: if the file is missing or broken, or its box lies outside.
        """
        path, box = self._packed.path(index), self._packed.box(index)
        try:
            kept = self._cache.path_of(path, box) if self._cache else None
            if self._cache and kept and (known := self._cache.read(kept)) is not None:
                return known
            with open(path, "rb") as file:
                pixels = _cut(self._chain.decode(file.read()), box)
        except (OSError, Undecodable) as error:
            raise UnreadablePicture(f"{path}: cannot be read: {error}") from error
        if self._cache and kept:
            pixels = self._cache.reduce(pixels)
            self._cache.write(kept, pixels)
        return pixels

    def item(self, place: Place) -> Item:
        """One transformed picture.

        Raises:
            UnreadablePicture: as ``pixels``.
        """
        rng = np.random.default_rng([self.seed, place.epoch, place.index, place.repeat])
        image = self._chain_of(place.size).chw(self.pixels(place.index), rng)
        return {
            "image": torch.from_numpy(image),
            "label": int(self.labels[place.index]),
            "index": place.index,
            "group": self._packed.group(place.index),
        }

    def __getitem__(self, index: int) -> Item:
        """The item as in epoch 0."""
        return self.item(Place(0, index))

    def _chain_of(self, size: tuple[int, int] | None) -> Chain:
        if size is None:
            return self._chain
        if size not in self._sized:
            self._sized[size] = build_transforms([_with_size(op, size) for op in self._ops], self._backend)
        return self._sized[size]


def _with_size(op: Op, size: tuple[int, int]) -> Op:
    return {name: {**given, "size": list(size)} if given and "size" in given else given for name, given in op.items()}


def _cut(pixels: NDArray[np.uint8], box: Box | None) -> NDArray[np.uint8]:
    """The pixels that a box touches."""
    if box is None:
        return pixels
    height, width = pixels.shape[:2]
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 <= x0 or y1 <= y0:
        raise Undecodable(f"box {box} lies outside of the picture of {width} x {height} pixels")
    return np.ascontiguousarray(pixels[y0:y1, x0:x1])
