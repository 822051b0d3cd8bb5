"""Writing a gallery out as one .tar, streamed."""

import tarfile
from collections.abc import Iterator, Sequence
from itertools import chain
from threading import BoundedSemaphore

import numpy as np
from sqlalchemy import Connection

from services.common.errors import Overloaded
from services.common.tensors import encode_npy
from services.indexer.archive import GALLERY, ArchivedGallery, ArchivedItem, ArchivedReference
from services.indexer.keeping import PictureKeeper
from services.indexer.store import embeddings, galleries, items, listing
from services.indexer.store.database import Database
from services.indexer.store.galleries import GalleryRow
from services.indexer.store.items import ItemRow, ReferenceRow
from services.indexer.store.listing import Filter

EXPORTS_AT_ONCE = 2
ITEMS_AT_ONCE = 200
# References of one portion: with their embeddings it has to fit into memory.
REFERENCES_AT_ONCE = 1000
BLOCK = 512
# A file of unknown type can only come from a damaged database; a picture of any type is read by its content.
UNKNOWN_TYPE = "image/jpeg"

Portion = list[tuple[ItemRow, list[ReferenceRow]]]


class Exporter:
    """The use case behind ``GET /galleries/{g}/export``. Blocking."""

    def __init__(self, database: Database, pictures: PictureKeeper) -> None:
        self._database = database
        self._pictures = pictures
        self._slots = BoundedSemaphore(EXPORTS_AT_ONCE)

    def export(self, gallery: str) -> Iterator[bytes]:
        """The archive of a gallery at one moment, in pieces. See ``archive`` for what is in it.

        Raises:
            NotFound: if there is no such gallery.
            Overloaded: if several exports are under way already.
        """
        if not self._slots.acquire(blocking=False):
            raise Overloaded(f"{EXPORTS_AT_ONCE} exports are under way", retry_after=30)
        pieces = self._pieces(gallery)
        # The first piece is made here, so that an error is still an answer; from now on the generator frees its
        # slot whenever it ends or is thrown away.
        return chain([next(pieces)], pieces)

    def _pieces(self, gallery: str) -> Iterator[bytes]:
        try:
            yield from self._archive(gallery)
        finally:
            self._slots.release()

    def _archive(self, gallery: str) -> Iterator[bytes]:
        with self._pictures.pinned(), self._database.read() as connection:
            row = galleries.find(connection, gallery)
            head = ArchivedGallery(
                name=row.name,
                description=row.description,
                keep_pictures=row.keep_pictures,
                fingerprint=row.fingerprint,
                dim=row.dim,
            )
            yield from _member(GALLERY, head.model_dump_json().encode())
            written: set[str] = set()
            for number, portion in enumerate(_portions(connection, row)):
                yield from self._portion(connection, row, portion, number, written)
            yield bytes(2 * BLOCK)

    def _portion(
        self, connection: Connection, gallery: GalleryRow, portion: Portion, number: int, written: set[str]
    ) -> Iterator[bytes]:
        flat = [one for _, references in portion for one in references]
        kept = {one.picture_sha256 for one in flat if one.kept}
        types = items.media_types(connection, sorted(kept))
        for sha256 in sorted(kept - written):
            written.add(sha256)
            yield from _member(f"pictures/{sha256}", self._pictures.get(sha256))
        lines = [_archived(row, references, types).model_dump_json() for row, references in portion]
        yield from _member(f"items/{number:06d}.jsonl", "\n".join(lines).encode() + b"\n")
        if gallery.fingerprint is not None and gallery.dim is not None:
            ordered = [one.id for one in flat]
            vectors = dict(embeddings.read(connection, gallery.fingerprint, ordered, gallery.dim))
            stacked = np.stack([vectors[reference] for reference in ordered])
            yield from _member(f"embeddings/{number:06d}.npy", encode_npy(stacked))


def _portions(connection: Connection, gallery: GalleryRow) -> Iterator[Portion]:
    """The items of a gallery with their references, a bounded number of references at once."""
    after = 0
    while rows := listing.page(connection, gallery.id, after, ITEMS_AT_ONCE, Filter()):
        references = items.references_of(connection, [row.id for row in rows])
        portion: Portion = []
        for row in rows:
            portion.append((row, references[row.id]))
            if sum(len(some) for _, some in portion) >= REFERENCES_AT_ONCE:
                yield portion
                portion = []
        if portion:
            yield portion
        after = rows[-1].id


def _archived(row: ItemRow, references: Sequence[ReferenceRow], types: dict[str, str]) -> ArchivedItem:
    return ArchivedItem(
        id=row.item_id,
        label=row.label,
        negative=row.negative,
        metadata=row.metadata,
        created_at=row.created_at,
        references=[
            ArchivedReference(
                id=one.uid,
                box=one.box,
                source=one.source,
                media_type=types.get(one.picture_sha256, UNKNOWN_TYPE),
                picture_sha256=one.picture_sha256,
                kept=one.kept,
                created_at=one.created_at,
            )
            for one in references
        ],
    )


def _member(name: str, content: bytes) -> Iterator[bytes]:
    """Header, content and padding of one file of a .tar (POSIX ustar)."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield content
    yield bytes(-len(content) % BLOCK)
