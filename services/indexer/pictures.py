"""The pictures of references: content-addressed files."""

import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from services.common.errors import NotFound
from services.indexer.files import write_durably

# A file that no row mentions may be one whose commit is still to come: it is left alone for this long.
GRACE_SECONDS = 3600


class PictureStore:
    """Files named by the SHA-256 of their content, in folders by its first byte.

    Args:
        folder: made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Store a picture durably (nothing to do if it is there). Returns its SHA-256 in hex.

        Raises:
            OSError: if the disk does not take it.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._path(sha256)
        try:
            os.utime(path)  # not a stray any more: see GRACE_SECONDS
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, lambda place: _write(place, content))
        return sha256

    def get(self, sha256: str) -> bytes:
        """Content of a picture.

        Raises:
            NotFound: if it is not there.
        """
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise NotFound("this picture is not stored any more") from error

    def remove(self, sha256: str) -> None:
        """Remove a picture that no row mentions any more."""
        self._path(sha256).unlink(missing_ok=True)

    def strays(self) -> Iterator[str]:
        """SHA-256 of every file that is older than the grace period; broken-off writes are removed on the way."""
        horizon = time.time() - GRACE_SECONDS
        for path in self._folder.glob("??/*"):
            try:
                old = path.stat().st_mtime < horizon
            except FileNotFoundError:
                continue
            if not old:
                continue
            if re.fullmatch(r"[0-9a-f]{64}", path.name):
                yield path.name
            else:
                path.unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
