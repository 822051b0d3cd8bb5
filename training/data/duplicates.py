"""Pictures that are the same, or nearly: by content and by perceptual hash."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

BITS = 128
NEAR = 6
"""Largest number of differing bits of two prints that are called nearly the same; at most ``BANDS - 1``."""
BANDS = 8
PLAINEST = 4.0
"""Grey levels of standard deviation below which a picture is too plain to be told from another."""
BLOCK = 2048
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Print:
    """What a picture file is recognised by. ``bits`` ``(16,) uint8``, None for a plain or unreadable picture.

    ``size``: (width, height) of the upright picture. ``problem``: why it cannot be read.
    """

    content: str
    bits: NDArray[np.uint8] | None = None
    size: tuple[int, int] | None = None
    problem: str | None = None


def print_of(path: Path) -> Print:
    """Hash the content and decode the picture; ``problem`` says why it cannot be decoded."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Print("", problem=f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(content).hexdigest()
    try:
        with Image.open(BytesIO(content)) as image:
            turned = image.getexif().get(ORIENTATION, 1) > 4
            size = (image.height, image.width) if turned else (image.width, image.height)
            # A JPEG is decoded at a fraction of its size, which is several times faster and still reads all of it.
            image.draft("L", (64, 64))
            grey = ImageOps.exif_transpose(image).convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Print(digest, problem=f"no picture, or cut off: {error}")
    return Print(digest, difference_hash(grey), size)


def difference_hash(grey: Image.Image) -> NDArray[np.uint8] | None:
    """128 bits: whether each of 8 x 8 cells is darker than its right and than its lower neighbour; None if plain."""
    small = np.asarray(grey.resize((9, 9), Image.Resampling.BOX), np.int16)
    if small.std() < PLAINEST:
        return None
    right, below = small[:8, :8] < small[:8, 1:], small[:8, :8] < small[1:, :8]
    return np.packbits(np.concatenate([right.ravel(), below.ravel()]))


def prints_of(paths: Sequence[Path], workers: int, progress: Callable[[], None]) -> dict[Path, Print]:
    """Prints of many files, each once; ``progress`` is called after each."""
    distinct = list(dict.fromkeys(paths))

    def one(path: Path) -> Print:
        made = print_of(path)
        progress()
        return made

    with ThreadPoolExecutor(workers) as pool:
        return dict(zip(distinct, pool.map(one, distinct), strict=True))


def same_content(prints: Sequence[Print]) -> list[list[int]]:
    """Groups of at least two positions with the same content."""
    groups: dict[str, list[int]] = defaultdict(list)
    for position, one in enumerate(prints):
        if one.content:
            groups[one.content].append(position)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(prints: Sequence[Print], most: int = NEAR) -> list[tuple[int, int]]:
    """Pairs of positions whose prints differ in at most ``most`` bits, contents being different; smaller first.

    Two prints that differ in fewer bits than there are bands have a band in common, so that only prints with a common
    band are compared: nothing is missed.

    Raises:
        ValueError: if ``most`` is not below the number of bands.
    """
    if not 0 <= most < BANDS:
        raise ValueError(f"at most {BANDS - 1} differing bits can be searched for, got {most}")
    positions = np.array([n for n, one in enumerate(prints) if one.bits is not None], np.int64)
    if len(positions) < 2:
        return []
    bits = np.stack([prints[n].bits for n in positions])
    bands = bits.view(np.uint16)
    found: set[tuple[int, int]] = set()
    for band in range(BANDS):
        order = np.argsort(bands[:, band], kind="stable")
        ends = np.flatnonzero(np.diff(bands[order, band])) + 1
        for group in np.split(order, ends):
            if len(group) > 1:
                found |= _near_within(np.sort(group), bits, most)
    pairs = ((int(positions[a]), int(positions[b])) for a, b in found)
    return sorted((a, b) for a, b in pairs if prints[a].content != prints[b].content)


def _near_within(group: NDArray[np.int64], bits: NDArray[np.uint8], most: int) -> set[tuple[int, int]]:
    words = bits[group].view(np.uint64)
    found: set[tuple[int, int]] = set()
    for start in range(0, len(group), BLOCK):
        part = words[start : start + BLOCK]
        distance = np.bitwise_count(part[:, None] ^ words[None]).sum(axis=2)
        rows, columns = np.nonzero(distance <= most)
        rows = rows + start
        found |= {(int(group[a]), int(group[b])) for a, b in zip(rows, columns, strict=True) if a < b}
    return found
