"""All galleries in memory: loading them, following their change logs, keeping generations."""

import threading

import structlog
from sqlalchemy import Connection

from services.common.errors import NotFound
from services.indexer.cohorts import Cohorts
from services.indexer.state import GalleryIndex
from services.indexer.store import embeddings, galleries, items
from services.indexer.store.database import Database
from services.indexer.store.galleries import GalleryRow
from services.indexer.vectors.generation import Generations

# Changes that are kept for followers that are behind.
KEPT_CHANGES = 10_000
log = structlog.get_logger()


class Directory:
    """Gallery indexes by name. Whatever they hold comes from committed rows: ``follow`` is the only way in.

    Args:
        generation_every: changes after which a new generation is due.
    """

    def __init__(self, database: Database, generations: Generations, cohorts: Cohorts, generation_every: int) -> None:
        self._database = database
        self._generations = generations
        self._cohorts = cohorts
        self._generation_every = generation_every
        self._indexes: dict[str, GalleryIndex] = {}
        self._saved: dict[int, int] = {}
        self._lock = threading.RLock()

    def loaded(self) -> list[GalleryIndex]:
        """The indexes that are in memory."""
        with self._lock:
            return list(self._indexes.values())

    def get(self, name: str) -> GalleryIndex:
        """The index of a gallery, loaded if need be.

        Raises:
            NotFound: if there is no such gallery.
        """
        index = self._indexes.get(name)
        if index is not None:
            return index
        with self._lock:
            return self._indexes.get(name) or self._load(name)

    def follow(self, name: str) -> GalleryIndex:
        """Apply all committed changes of a gallery that its index has not seen.

        Raises:
            NotFound: if the gallery is gone.
        """
        with self._lock:
            index = self._indexes.get(name)
            if index is None or not self._apply_changes(index):
                index = self._load(name)
            return index

    def catch_up(self, name: str) -> None:
        """Apply what was just committed; to be called before a change is answered.

        The change is durable by now, so a failure must not look as if it were not: the index is dropped instead,
        and whoever needs it next loads it anew.
        """
        try:
            self.follow(name)
        except NotFound:
            pass
        except Exception as error:
            log.exception("index_dropped", gallery=name, error=repr(error))
            with self._lock:
                self._indexes.pop(name, None)

    def forget(self, name: str, gallery_id: int) -> None:
        """Forget a gallery that is gone, with its generations."""
        with self._lock:
            self._indexes.pop(name, None)
            self._saved.pop(gallery_id, None)
            self._generations.drop(gallery_id)

    def save_generations(self, everything: bool = False) -> None:
        """Write the generations that are due, or all that are not of the present revision.

        A disk that does not take them is logged: a generation is only there to start faster.
        """
        for index in self.loaded():
            behind = index.revision - self._saved.get(index.gallery_id, 0)
            if index.fingerprint is None or behind <= 0 or (behind < self._generation_every and not everything):
                continue
            try:
                revision, arrays = index.save()
                self._generations.save(index.gallery_id, index.fingerprint, revision, arrays)
            except OSError as error:
                log.warning("generation_not_written", gallery=index.name, reason=str(error))
                continue
            self._saved[index.gallery_id] = revision
            if revision > KEPT_CHANGES:
                with self._database.write() as connection:
                    galleries.forget_changes(connection, index.gallery_id, revision - KEPT_CHANGES)

    def _apply_changes(self, index: GalleryIndex) -> bool:
        """Bring an index up to date; False if it has to be loaded anew."""
        with self._database.read() as connection:
            row = galleries.look_up(connection, index.name)
            if row is None or row.id != index.gallery_id or row.fingerprint != index.fingerprint:
                return False
            changes = galleries.changes_since(connection, row.id, index.revision)
            if len(changes) != row.revision - index.revision:
                return False
            touched = {change.item for change in changes if change.item is not None}
            rows = items.indexed(connection, row.id, touched)
            vectors = self._vectors(connection, row, index.missing(rows))
        if row.revision > index.revision:
            index.apply(row.revision, touched, rows, vectors)
        return True

    def _load(self, name: str) -> GalleryIndex:
        with self._database.read() as connection:
            row = galleries.find(connection, name)
            rows = items.indexed(connection, row.id)
            index = self._new_index(row)
            arrays = self._generations.load(row.id, row.fingerprint) if row.fingerprint else None
            if arrays is not None:
                try:
                    index.restore(arrays, rows)
                    self._saved[row.id] = int(arrays["revision"])
                except (ValueError, KeyError) as error:
                    log.warning("generation_passed_over", gallery=name, reason=repr(error))
                    index = self._new_index(row)
            vectors = self._vectors(connection, row, index.missing(rows))
        index.apply(row.revision, {one.item for one in rows}, rows, vectors)
        self._indexes[name] = index
        log.info("gallery_loaded", gallery=name, revision=row.revision, references=index.count, read=len(vectors))
        return index

    def _new_index(self, row: GalleryRow) -> GalleryIndex:
        cohort, hashing = self._cohorts.get(row.fingerprint), self._cohorts.hashing(row.fingerprint)
        leave_out = self._cohorts.leave_out(row.fingerprint)
        return GalleryIndex(row.id, row.name, row.fingerprint, row.dim or 0, cohort, hashing, leave_out)

    @staticmethod
    def _vectors(connection: Connection, row: GalleryRow, references: list[int]) -> dict[int, embeddings.Vector]:
        if row.fingerprint is None or row.dim is None:
            return {}
        return dict(embeddings.read(connection, row.fingerprint, references, row.dim))
