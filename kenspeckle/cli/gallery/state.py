"""How far an import has come: a file of row digests in the cache folder, so that it can go on where it stopped."""

import hashlib
import json
import os
import threading
import uuid
from pathlib import Path
from typing import Any

from kenspeckle.cli.gallery.sources import Row
from kenspeckle.client import KenspeckleError

NONCE = "again-"


def digest_of(row: Row, picture: bytes, options: dict[str, Any]) -> str:
    """Identifies what a row asks for: the same picture, label, id, box, metadata and options give the same digest."""
    facts = [row.label, row.item_id, row.box, row.metadata, options, hashlib.sha256(picture).hexdigest()]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class ImportState:
    """The rows of one import that are in already.

    Args:
        subject: what is imported to where; another subject has another file.
        again: forget what was imported before.
    """

    def __init__(self, subject: list[str], again: bool) -> None:
        self.path = cache_folder() / f"{hashlib.sha256(json.dumps(subject).encode()).hexdigest()[:32]}.rows"
        self._lock = threading.Lock()
        self._claimed: set[str] = set()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if again:
                self.path.unlink(missing_ok=True)
            self._file = self.path.open("a+", encoding="ascii")
        except OSError as error:
            raise KenspeckleError(f"{self.path} cannot be written: {error.strerror or error}") from error
        if again:
            self._file.write(f"{NONCE}{uuid.uuid4().hex}\n")
            self._file.flush()
        self._file.seek(0)
        lines = self._file.read().split()
        self._done = set(lines)
        self.nonce = next((line for line in lines if line.startswith(NONCE)), "")
        """Differs after every ``again``, so that rows are asked for anew."""

    def is_done(self, digest: str) -> bool:
        """Whether a row came in with an earlier run."""
        return digest in self._done

    def claim(self, digest: str) -> bool:
        """Whether this run has not met the row before."""
        with self._lock:
            fresh = digest not in self._claimed
            self._claimed.add(digest)
            return fresh

    def add(self, digest: str) -> None:
        """Remember that a row is in."""
        with self._lock:
            self._file.write(f"{digest}\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def cache_folder() -> Path:
    """Where imports are remembered: ``kenspeckle/imports`` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "kenspeckle" / "imports"
