"""Pictures and the rows that mention them: no row without a file, no file that nothing mentions for long."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection

from services.common.errors import NotReady, ServiceError
from services.indexer.pictures import PictureStore
from services.indexer.store import pictures as store
from services.indexer.store.database import Database

PORTION = 500
log = structlog.get_logger()


class PictureKeeper:
    """Stores and removes pictures together with their rows.

    Files are removed inside a transaction that holds the database's write lock, and a picture's file is looked at
    once more inside the transaction that mentions it. So a picture cannot vanish between being stored and being
    mentioned.
    """

    def __init__(self, database: Database, files: PictureStore) -> None:
        self._database = database
        self._files = files
        self._lock = threading.Lock()
        self._pins = 0

    def put(self, content: bytes) -> str:
        """Store a picture's file; ``note`` must follow. Returns its SHA-256.

        Raises:
            NotReady: if the disk does not take it.
        """
        try:
            return self._files.put(content)
        except OSError as error:
            raise NotReady(f"the picture cannot be stored: {error.strerror or error}", retry_after=10) from error

    def note(self, connection: Connection, content: bytes, media_type: str) -> None:
        """Mention a picture in a transaction."""
        store.add(connection, self.put(content), len(content), media_type)

    def get(self, sha256: str) -> bytes:
        """Content of a picture.

        Raises:
            NotFound: if it is not stored.
        """
        return self._files.get(sha256)

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Nothing is removed while the block runs: for readers that work on an older snapshot."""
        with self._lock:
            self._pins += 1
        try:
            yield
        finally:
            with self._lock:
                self._pins -= 1
            self.sweep()

    def sweep(self, among: Sequence[str] | None = None) -> None:
        """Remove pictures that no reference keeps. A failure is logged: the sweep at the next start tries again.

        Args:
            among: SHA-256 of the few that may have become unused; all are looked at without it.
        """
        try:
            while self._sweep_some(among):
                pass
        except (OSError, ServiceError) as error:
            log.warning("pictures_not_swept", reason=str(error))

    def _sweep_some(self, among: Sequence[str] | None) -> bool:
        with self._database.read() as connection:
            if not store.unused(connection, 1, among):
                return False
        with self._lock, self._database.write() as connection:
            unused = [] if self._pins else store.unused(connection, PORTION, among)
            store.remove(connection, unused)
            for sha256 in unused:
                self._files.remove(sha256)
        return bool(unused)

    def sweep_strays(self) -> None:
        """Remove files that no row mentions: left by a crash between storing and mentioning."""
        strays: list[str] = []
        for sha256 in self._files.strays():
            strays.append(sha256)
            if len(strays) == PORTION:
                self._remove_strays(strays)
                strays = []
        self._remove_strays(strays)

    def _remove_strays(self, sha256: Sequence[str]) -> None:
        if not sha256:
            return
        with self._lock, self._database.write() as connection:
            noted = store.noted(connection, sha256)
            for one in sha256:
                if one not in noted:
                    self._files.remove(one)
