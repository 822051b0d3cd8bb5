"""Pictures in a few arrays, for worker processes."""

import os
from collections.abc import Sequence

import numpy as np

from training.data.pictures import Picture


class PackedPictures:
    """Path, box and group of each picture.

    Worker processes share memory with their parent until it is written to, and counting references writes to every
    Python object that is looked at: with millions of pictures each worker would in time have a copy of all of them.
    Arrays are looked at without that.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        names = [os.fsencode(one.path) for one in pictures]
        self._names = np.frombuffer(b"".join(names), np.uint8)
        self._ends = np.cumsum([len(name) for name in names], dtype=np.int64)
        nowhere = (np.nan,) * 4
        self._boxes = np.array([one.box or nowhere for one in pictures], np.float64).reshape(-1, 4)
        self._groups: list[str | None] = list(dict.fromkeys(one.group for one in pictures))
        numbers = {group: number for number, group in enumerate(self._groups)}
        self._group = np.array([numbers[one.group] for one in pictures], np.int32)

    def path(self, index: int) -> str:
        """The file of a picture: as text, since making a ``Path`` looks its parts up among those of the parent."""
        start = self._ends[index - 1] if index else 0
        return os.fsdecode(self._names[start : self._ends[index]].tobytes())

    def box(self, index: int) -> tuple[float, float, float, float] | None:
        """The box of a picture."""
        x0, y0, x1, y1 = self._boxes[index].tolist()
        return None if np.isnan(x0) else (x0, y0, x1, y1)

    def group(self, index: int) -> str | None:
        """Camera or unique id of a picture."""
        return self._groups[int(self._group[index])]
