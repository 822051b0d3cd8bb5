"""Generations: files with the vectors of one gallery at one revision. Derived: losing one costs time, nothing else.

A generation is an uncompressed ``.npz`` (never pickled), whose checksums are verified on reading. It is a store of
vectors by reference, not a statement of what is in the gallery: that is always taken from the database.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from kenspeckle.arrays import read_npz
from services.indexer.files import write_durably

FORMAT = 1
log = structlog.get_logger()


class Generations:
    """The generation files of all galleries in one folder.

    Args:
        folder: made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, gallery_id: int, fingerprint: str, revision: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a generation and remove the gallery's older ones.

        Raises:
            OSError: if the disk does not take it; the older ones stay.
        """
        stated = {"format": np.array(FORMAT), "fingerprint": np.array(fingerprint), "revision": np.array(revision)}

        def write(path: Path) -> None:
            with path.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **stated, **arrays)

        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(gallery_id, revision)
        write_durably(path, write)
        for older in self._of(gallery_id):
            if older != path:
                older.unlink(missing_ok=True)

    def load(self, gallery_id: int, fingerprint: str) -> dict[str, NDArray[Any]] | None:
        """The newest readable generation of a gallery's fingerprint; None if there is none."""
        for path in reversed(self._of(gallery_id)):
            try:
                with path.open("rb") as stream:
                    arrays = read_npz(stream)
                if arrays["format"] == FORMAT and arrays["fingerprint"] == fingerprint:
                    return arrays
                reason = "of another format or fingerprint"
            except Exception as error:  # whatever broken bytes make the reader raise: the database has it all
                reason = repr(error)
            log.warning("generation_passed_over", path=str(path), reason=reason)
        return None

    def drop(self, gallery_id: int) -> None:
        """Remove all generations of a gallery that is gone."""
        for path in self._of(gallery_id):
            path.unlink(missing_ok=True)

    def keep_only(self, gallery_ids: set[int]) -> None:
        """Remove generations of other galleries and what an interrupted write has left."""
        for path in self._folder.glob("*"):
            name = re.fullmatch(r"(\d+)-\d+\.npz", path.name)
            if name is None or int(name[1]) not in gallery_ids:
                path.unlink(missing_ok=True)

    def _of(self, gallery_id: int) -> list[Path]:
        return sorted(self._folder.glob(f"{gallery_id}-*.npz"), key=lambda path: int(path.stem.split("-")[1]))

    def _path(self, gallery_id: int, revision: int) -> Path:
        return self._folder / f"{gallery_id}-{revision}.npz"
