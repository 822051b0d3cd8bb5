"""Reading a gallery in from an archive: all of it or nothing."""

import tarfile
from pathlib import Path

from sqlalchemy import Connection

from kenspeckle.types import Gallery
from services.common.errors import Conflict, Malformed, Unprocessable
from services.indexer.archive import ArchivedGallery, ArchivedItem, ArchivedPicture, Portion, read_archive
from services.indexer.cohorts import Cohorts
from services.indexer.directory import Directory
from services.indexer.enrolment import Limits, check_embeddings, check_metadata, check_reference
from services.indexer.keeping import PictureKeeper
from services.indexer.store import embeddings, galleries, items
from services.indexer.store import pictures as picture_rows
from services.indexer.store.database import Database
from services.indexer.store.galleries import GalleryRow


class Importer:
    """The use case behind ``POST /galleries/{g}/import``. Blocking."""

    def __init__(
        self, database: Database, pictures: PictureKeeper, directory: Directory, cohorts: Cohorts, limits: Limits
    ) -> None:
        self._database = database
        self._pictures = pictures
        self._directory = directory
        self._cohorts = cohorts
        self._limits = limits

    def import_archive(self, gallery: str, path: Path) -> Gallery:
        """Make a gallery of an archive (``archive`` says what is in it).

        The archive is read twice: first everything is checked and the pictures are stored, then all rows are
        written in one transaction, which so is short. Pictures of an archive that is refused are swept later.

        Args:
            gallery: name of the new gallery; the name in the archive does not matter.
            path: of the archive.

        Raises:
            Conflict: if there is a gallery of this name.
            Malformed, Unprocessable: if the archive is none, or broken; there is no gallery then.
        """
        try:
            with self._pictures.pinned():
                with tarfile.open(path, "r:") as tar:
                    pictures = self._check(tar)
                with tarfile.open(path, "r:") as tar, self._database.write() as connection:
                    made = self._write(connection, tar, gallery, pictures)
        except (tarfile.TarError, EOFError) as error:
            raise Malformed(f"this is no readable .tar archive: {error}") from error
        self._directory.catch_up(gallery)
        return made

    def _check(self, tar: tarfile.TarFile) -> dict[str, int]:
        """Check everything and store the pictures. Returns their sizes."""
        pictures: dict[str, int] = {}
        item_ids: set[str] = set()
        reference_ids: set[str] = set()
        hashing = False
        for part in read_archive(tar):
            if isinstance(part, ArchivedGallery):
                hashing = self._cohorts.hashing(part.fingerprint)
            elif isinstance(part, ArchivedPicture):
                pictures[self._pictures.put(part.content)] = len(part.content)
            elif isinstance(part, Portion):
                if part.embeddings is not None:
                    check_embeddings(part.embeddings, None, part.embeddings.shape[1], hashing)
                for item in part.items:
                    self._check_item(item, pictures)
                    _claim(item_ids, item.id)
                    for reference in item.references:
                        _claim(reference_ids, reference.id)
        if len(reference_ids) > self._limits.references:
            raise Unprocessable(f"a gallery has at most {self._limits.references} references", "body")
        return pictures

    def _check_item(self, item: ArchivedItem, pictures: dict[str, int]) -> None:
        check_metadata(item.metadata)
        if (item.label is None) != item.negative:
            raise Unprocessable("an item has a label, a negative has none", item.id)
        if len(item.references) > self._limits.references_per_item:
            raise Unprocessable(f"an item has at most {self._limits.references_per_item} references", item.id)
        for reference in item.references:
            check_reference(reference, item.id)
            if reference.kept and reference.picture_sha256 not in pictures:
                raise Unprocessable(f"the picture {reference.picture_sha256} is not in front of its item", item.id)

    def _write(self, connection: Connection, tar: tarfile.TarFile, name: str, pictures: dict[str, int]) -> Gallery:
        row: GalleryRow | None = None
        for part in read_archive(tar):
            if isinstance(part, ArchivedGallery):
                row = self._new_gallery(connection, name, part)
            elif isinstance(part, Portion) and row is not None:
                _write_portion(connection, row, part, pictures)
        if row is None:
            raise Malformed("the archive is empty")
        galleries.record(connection, row, "import", None)
        return galleries.described(connection, [galleries.find(connection, name)])[0]

    def _new_gallery(self, connection: Connection, name: str, head: ArchivedGallery) -> GalleryRow:
        if galleries.look_up(connection, name) is not None:
            raise Conflict(f"there is a gallery “{name}” already; import into a new one", "gallery")
        if len(galleries.all_names(connection)) >= self._limits.galleries:
            raise Conflict(f"there are {self._limits.galleries} galleries already; delete some")
        made = galleries.create(connection, name, head.description, head.keep_pictures)
        galleries.set_fields(connection, made.id, fingerprint=head.fingerprint, dim=head.dim)
        return galleries.lock(connection, name)


def _write_portion(connection: Connection, row: GalleryRow, portion: Portion, pictures: dict[str, int]) -> None:
    if portion.embeddings is None or row.fingerprint is None:
        return
    written: list[int] = []
    for item in portion.items:
        item_row = items.add(
            connection, row.id, row.revision, item.id, item.label, item.negative, item.metadata, item.created_at
        )
        for one in item.references:
            if one.kept:
                picture_rows.add(connection, one.picture_sha256, pictures[one.picture_sha256], one.media_type)
            added = items.add_reference(
                connection, row.id, item_row, one, one.picture_sha256, one.kept, one.id, one.created_at
            )
            written.append(added.id)
    embeddings.add(connection, row.fingerprint, zip(written, portion.embeddings, strict=True))


def _claim(taken: set[str], name: str) -> None:
    if name in taken:
        raise Unprocessable("this id is there twice", name)
    taken.add(name)
