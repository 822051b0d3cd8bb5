"""The use cases on galleries and their items, except enrolling. Blocking."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from kenspeckle.types import (
    Gallery,
    GalleryPatch,
    Item,
    ItemPatch,
    NewGallery,
    Page,
    ReferenceInfo,
    Removal,
)
from services.common.errors import Conflict, NotFound, PreconditionFailed, Unprocessable
from services.indexer.directory import Directory
from services.indexer.enrolment import Limits, check_metadata
from services.indexer.keeping import PictureKeeper
from services.indexer.store import galleries, items, listing
from services.indexer.store import pictures as picture_rows
from services.indexer.store.database import Database
from services.indexer.store.galleries import GalleryRow
from services.indexer.store.items import ItemRow
from services.indexer.store.listing import Filter

# Says whether the revision of an item's last change is one that the caller has seen (If-Match).
Expected = Callable[[int], bool]


@dataclass(frozen=True)
class StoredPicture:
    """A reference's picture as it was received, and the box in it."""

    content: bytes
    media_type: str
    reference: ReferenceInfo


class Galleries:
    """Lists and changes galleries and items. What is changed is searchable, or gone, when a method returns."""

    def __init__(self, database: Database, pictures: PictureKeeper, directory: Directory, limits: Limits) -> None:
        self._database = database
        self._pictures = pictures
        self._directory = directory
        self._limits = limits

    # --- galleries -----------------------------------------------------------------------------------------

    def create(self, new: NewGallery) -> Gallery:
        """Make an empty gallery.

        Raises:
            Conflict: if the name is taken, or there are too many.
        """
        with self._database.write() as connection:
            if galleries.look_up(connection, new.name) is not None:
                raise Conflict(f"there is a gallery “{new.name}” already", "name")
            if len(galleries.all_names(connection)) >= self._limits.galleries:
                raise Conflict(f"there are {self._limits.galleries} galleries already; delete some")
            row = galleries.create(connection, new.name, new.description, new.keep_pictures)
            made = galleries.described(connection, [row])[0]
        self._directory.catch_up(new.name)
        return made

    def list(self, limit: int, cursor: str | None) -> Page[Gallery]:
        """Galleries by name."""
        with self._database.read() as connection:
            rows = galleries.page(connection, listing.place_of(cursor), limit + 1)
            shown = rows[:limit]
            following = listing.cursor_of(shown[-1].name) if len(rows) > limit else None
            return Page(items=galleries.described(connection, shown), next_cursor=following)

    def get(self, name: str) -> Gallery:
        """One gallery with its counts.

        Raises:
            NotFound: if there is none of this name.
        """
        with self._database.read() as connection:
            return galleries.described(connection, [galleries.find(connection, name)])[0]

    def change(self, name: str, patch: GalleryPatch) -> Gallery:
        """Change description or whether pictures are kept from now on (those that are stored stay).

        Raises:
            NotFound: if there is none of this name.
            Unprocessable: if a field is set to null.
        """
        values = patch.model_dump(exclude_unset=True)
        if None in values.values():
            raise Unprocessable("a field that is given must have a value", next(iter(values)))
        with self._database.write() as connection:
            row = galleries.lock(connection, name)
            if values:
                galleries.set_fields(connection, row.id, **values)
            galleries.record(connection, row, "gallery", None)
            changed = galleries.described(connection, [galleries.find(connection, name)])[0]
        self._directory.catch_up(name)
        return changed

    def delete(self, name: str) -> Removal:
        """Delete a gallery with everything in it.

        Raises:
            NotFound: if there is none of this name.
        """
        with self._database.write() as connection:
            row = galleries.lock(connection, name)
            galleries.remove(connection, row.id)
        self._directory.forget(name, row.id)
        self._pictures.sweep()
        return Removal(revision=row.revision)

    # --- items ---------------------------------------------------------------------------------------------

    def list_items(self, gallery: str, wanted: Filter, limit: int, cursor: str | None) -> Page[Item]:
        """Items in the order of their making.

        Raises:
            NotFound: if there is no such gallery. Malformed: if the cursor is none.
        """
        with self._database.read() as connection:
            row = galleries.find(connection, gallery)
            rows = listing.page(connection, row.id, listing.row_of(cursor), limit + 1, wanted)
            shown = rows[:limit]
            following = listing.cursor_of(str(shown[-1].id)) if len(rows) > limit else None
            return Page(items=items.described(connection, shown), next_cursor=following)

    def matching(self, gallery: str, wanted: Filter) -> set[int]:
        """Row numbers of the items that are as ``wanted``.

        Raises:
            NotFound: if there is no such gallery.
        """
        with self._database.read() as connection:
            return listing.rows_of(connection, galleries.find(connection, gallery).id, wanted)

    def get_item(self, gallery: str, item_id: str) -> Item:
        """One item with its references.

        Raises:
            NotFound: if gallery or item are not there.
        """
        with self._database.read() as connection:
            row = galleries.find(connection, gallery)
            return items.described(connection, [items.find(connection, row.id, item_id)])[0]

    def change_item(self, gallery: str, item_id: str, patch: ItemPatch, expected: Expected) -> Item:
        """Relabel an item or replace its metadata.

        Raises:
            NotFound: if gallery or item are not there.
            PreconditionFailed: if it has changed since.
            Unprocessable: if the label does not fit the item, or metadata is too large.
        """
        given = patch.model_fields_set
        if patch.metadata is not None:
            check_metadata(patch.metadata)
        elif "metadata" in given:
            raise Unprocessable("metadata must be an object; {} empties it", "metadata")
        with self._database.write() as connection:
            row, item = self._locked_item(connection, gallery, item_id, expected)
            if "label" in given and (patch.label is None) != item.negative:
                raise Unprocessable(
                    "a negative has no label" if item.negative else "an item must have a label", "label"
                )
            label = patch.label if "label" in given else item.label
            metadata = item.metadata if patch.metadata is None else patch.metadata
            items.change(connection, item.id, row.revision, label, metadata)
            galleries.record(connection, row, "change", item.id)
            changed = items.described(connection, [items.find(connection, row.id, item_id)])[0]
        self._directory.catch_up(gallery)
        return changed

    def delete_item(self, gallery: str, item_id: str, expected: Expected) -> Removal:
        """Delete an item with its references and pictures.

        Raises:
            NotFound: if gallery or item are not there.
            PreconditionFailed: if it has changed since.
        """
        with self._database.write() as connection:
            row, item = self._locked_item(connection, gallery, item_id, expected)
            pictures = [one.picture_sha256 for one in items.references_of(connection, [item.id])[item.id]]
            items.remove(connection, item.id)
            galleries.record(connection, row, "delete", item.id)
        self._directory.catch_up(gallery)
        self._pictures.sweep(pictures)
        return Removal(revision=row.revision)

    def delete_reference(self, gallery: str, item_id: str, reference_id: str, expected: Expected) -> Removal:
        """Delete one reference of an item with its picture.

        Raises:
            NotFound: if gallery, item or reference are not there.
            PreconditionFailed: if the item has changed since.
            Conflict: if it is the item's last one.
        """
        with self._database.write() as connection:
            row, item = self._locked_item(connection, gallery, item_id, expected)
            reference = items.find_reference(connection, row.id, reference_id)
            if reference.item != item.id:
                raise NotFound(f"the item “{item_id}” has no reference “{reference_id}”")
            if items.count_references(connection, item.id) == 1:
                raise Conflict("this is the item's only reference; delete the item instead")
            items.remove_reference(connection, reference.id)
            items.change(connection, item.id, row.revision, item.label, item.metadata)
            galleries.record(connection, row, "delete_reference", item.id)
        self._directory.catch_up(gallery)
        self._pictures.sweep([reference.picture_sha256])
        return Removal(revision=row.revision)

    def picture(self, gallery: str, reference_id: str) -> StoredPicture:
        """The picture of a reference.

        Raises:
            NotFound: if it is not there, or was not kept.
        """
        with self._database.read() as connection:
            row = galleries.find(connection, gallery)
            reference = items.find_reference(connection, row.id, reference_id)
            media_type = picture_rows.media_type(connection, reference.picture_sha256)
        if not reference.kept or media_type is None:
            raise NotFound("the picture of this reference was not kept")
        return StoredPicture(self._pictures.get(reference.picture_sha256), media_type, reference.info())

    @staticmethod
    def _locked_item(
        connection: Connection, gallery: str, item_id: str, expected: Expected
    ) -> tuple[GalleryRow, ItemRow]:
        row = galleries.lock(connection, gallery)
        item = items.find(connection, row.id, item_id)
        if not expected(item.revision):
            raise PreconditionFailed(f'the item “{item_id}” has changed; its ETag is "{item.revision}" now')
        return row, item
