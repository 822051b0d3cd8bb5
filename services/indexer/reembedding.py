"""Making all embeddings of a gallery anew, with the model that the extractor serves now."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kenspeckle.types import Box
from services.common.errors import Conflict, NotFound, NotReady, Unprocessable
from services.indexer.cohorts import Cohorts
from services.indexer.directory import Directory
from services.indexer.enrolment import check_embeddings
from services.indexer.jobs import Cancelled, Progress
from services.indexer.keeping import PictureKeeper
from services.indexer.ports import Embedder
from services.indexer.store import embeddings, galleries, items
from services.indexer.store.database import Database
from services.indexer.store.items import ReferenceRow
from services.indexer.workers import Workers

# Between portions a job notes its progress and looks whether it was cancelled.
REFERENCES_AT_ONCE = 16


@dataclass(frozen=True)
class _Picture:
    """One stored picture with the references that are to be embedded from it."""

    content: bytes
    references: list[ReferenceRow]

    @property
    def boxes(self) -> Sequence[Box]:
        return [one.box for one in self.references]


class Reembedder:
    """The task behind ``POST /galleries/{g}/reembed``.

    New embeddings are stored beside the old ones, which are searched until all are there; then the gallery's
    fingerprint is switched in one transaction. Begun again, it goes on where it was.
    """

    def __init__(
        self,
        database: Database,
        workers: Workers,
        pictures: PictureKeeper,
        directory: Directory,
        cohorts: Cohorts,
        embedder: Embedder,
    ) -> None:
        self._database = database
        self._workers = workers
        self._pictures = pictures
        self._directory = directory
        self._cohorts = cohorts
        self._embedder = embedder

    async def check(self, gallery: str) -> None:
        """Refuse at once what cannot succeed.

        Raises:
            NotFound: if there is no such gallery. Conflict: if pictures were not kept.
        """
        await self._workers.run(self._require_kept, gallery)

    async def __call__(self, gallery: str, progress: Progress) -> str:
        """Run the task; see ``services.indexer.jobs.Task``."""
        model = await self._embedder.info()
        target = model.fingerprint
        cohort = self._cohorts.get(target)
        if cohort is None:
            raise NotReady(f"the extractor serves {target}, but no bundle with this fingerprint is here")
        dim = cohort.shape[1]
        try:
            while True:
                total, done = await self._workers.run(self._counts, gallery, target)
                await progress.report(done, total)
                pictures = await self._workers.run(self._missing, gallery, target)
                for picture in pictures:
                    vectors = await self._embed(picture, dim, self._cohorts.hashing(target))
                    await self._workers.run(self._store, gallery, target, picture.references, vectors)
                if not pictures and await self._workers.run(self._switch, gallery, target, dim):
                    return f"all references have embeddings of {target} now"
        except Cancelled:
            await self._workers.run(self._discard, gallery, target)
            raise

    async def _embed(self, picture: _Picture, dim: int, hashing: bool) -> NDArray[np.float32]:
        vectors = await self._embedder.embed_picture(picture.content, picture.boxes)
        try:
            check_embeddings(vectors, len(picture.references), dim, hashing)
        except Unprocessable as error:
            raise NotReady(f"the extractor's answer cannot be used: {error.detail}") from error
        return vectors

    def _require_kept(self, gallery: str) -> None:
        with self._database.read() as connection:
            row = galleries.find(connection, gallery)
            lost = items.count_unkept(connection, row.id)
        if lost:
            raise Conflict(f"the pictures of {lost} references were not kept; they cannot be embedded anew")

    def _counts(self, gallery: str, target: str) -> tuple[int, int]:
        self._require_kept(gallery)
        with self._database.read() as connection:
            return embeddings.count(connection, galleries.find(connection, gallery).id, target)

    def _missing(self, gallery: str, target: str) -> list[_Picture]:
        with self._database.read() as connection:
            row = galleries.find(connection, gallery)
            references = embeddings.missing(connection, row.id, target, REFERENCES_AT_ONCE)
        by_picture: dict[str, list[ReferenceRow]] = {}
        for one in references:
            by_picture.setdefault(one.picture_sha256, []).append(one)
        found = []
        for sha256, some in by_picture.items():
            try:
                found.append(_Picture(self._pictures.get(sha256), some))
            except NotFound:
                # Deleted since it was listed: then its references are gone too, else the next round meets it again.
                self._require_gone(gallery, some)
        return found

    def _require_gone(self, gallery: str, references: Sequence[ReferenceRow]) -> None:
        with self._database.read() as connection:
            row = galleries.find(connection, gallery)
            still = items.still_there(connection, row.id, [one.id for one in references])
        if still:
            raise NotFound(f"the stored picture {references[0].picture_sha256} is lost")

    def _store(
        self, gallery: str, target: str, references: Sequence[ReferenceRow], vectors: NDArray[np.float32]
    ) -> None:
        with self._database.write() as connection:
            row = galleries.find(connection, gallery)
            still = items.still_there(connection, row.id, [one.id for one in references])
            pairs = [(one.id, vector) for one, vector in zip(references, vectors, strict=True) if one.id in still]
            if pairs:
                embeddings.add(connection, target, pairs)

    def _switch(self, gallery: str, target: str, dim: int) -> bool:
        """Make the target the gallery's fingerprint, if every reference has an embedding of it."""
        with self._database.write() as connection:
            row = galleries.find(connection, gallery)
            if embeddings.missing(connection, row.id, target, 1):
                return False
            if row.fingerprint != target:
                locked = galleries.lock(connection, gallery)
                galleries.set_fields(connection, row.id, fingerprint=target, dim=dim)
                galleries.record(connection, locked, "switch", None)
                embeddings.remove_others(connection, row.id, target)
        self._directory.catch_up(gallery)
        return True

    def _discard(self, gallery: str, target: str) -> None:
        with self._database.write() as connection:
            row = galleries.look_up(connection, gallery)
            if row is not None and row.fingerprint is not None and row.fingerprint != target:
                embeddings.remove_others(connection, row.id, row.fingerprint)
