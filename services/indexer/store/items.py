"""Rows of items, references and embeddings."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from kenspeckle.types import Box, Item, NewReference, ReferenceInfo, Source
from services.common.errors import NotFound
from services.indexer.ids import uuid7
from services.indexer.store.tables import embedding, item, item_metadata, now, picture, reference

# Parameters of one statement are limited (SQLite: 32766); longer lists go in portions.
PORTION = 500


@dataclass(frozen=True)
class ItemRow:
    """An item as stored."""

    id: int
    gallery_id: int
    item_id: str
    label: str | None
    label_folded: str
    negative: bool
    metadata: dict[str, Any]
    revision: int
    created_at: datetime


@dataclass(frozen=True)
class ReferenceRow:
    """A reference as stored, without its embeddings."""

    id: int
    uid: str
    gallery_id: int
    item: int
    x0: float
    y0: float
    x1: float
    y1: float
    source: Source
    picture_sha256: str
    kept: bool
    created_at: datetime

    @property
    def box(self) -> Box:
        """The box in the picture."""
        return (self.x0, self.y0, self.x1, self.y1)

    def info(self) -> ReferenceInfo:
        """As it is shown: with the picture's name only if the picture is kept."""
        return ReferenceInfo(
            id=self.uid,
            box=self.box,
            source=self.source,
            picture_sha256=self.picture_sha256 if self.kept else None,
            created_at=self.created_at,
        )


@dataclass(frozen=True)
class Indexed:
    """What the index in memory has to know of a reference."""

    id: int
    uid: str
    item: int
    item_id: str
    label: str | None
    negative: bool


def fold(label: str | None) -> str:
    """A label as it is compared when searching by part of it."""
    return (label or "").casefold()


def find(connection: Connection, gallery_id: int, item_id: str) -> ItemRow:
    """The item of an id.

    Raises:
        NotFound: if there is none.
    """
    found = look_up(connection, gallery_id, item_id)
    if found is None:
        raise NotFound(f"there is no item “{item_id}” in this gallery")
    return found


def look_up(connection: Connection, gallery_id: int, item_id: str) -> ItemRow | None:
    """The item of an id, or None."""
    chosen = select(item).where(item.c.gallery_id == gallery_id, item.c.item_id == item_id)
    row = connection.execute(chosen).one_or_none()
    return ItemRow(**row._mapping) if row else None


def add(
    connection: Connection,
    gallery_id: int,
    revision: int,
    item_id: str,
    label: str | None,
    negative: bool,
    metadata: Mapping[str, Any],
    created_at: datetime | None = None,
) -> int:
    """Add an item without references. Returns its row number."""
    values = {
        "gallery_id": gallery_id,
        "item_id": item_id,
        "label": label,
        "label_folded": fold(label),
        "negative": negative,
        "metadata": metadata,
        "revision": revision,
        "created_at": created_at or now(),
    }
    row = _made(connection.execute(insert(item).values(values)).inserted_primary_key)
    _index_metadata(connection, row, metadata)
    return row


def change(connection: Connection, row: int, revision: int, label: str | None, metadata: Mapping[str, Any]) -> None:
    """Give an item its label, its metadata and the revision of this change."""
    connection.execute(
        update(item)
        .where(item.c.id == row)
        .values(label=label, label_folded=fold(label), metadata=metadata, revision=revision)
    )
    connection.execute(delete(item_metadata).where(item_metadata.c.item == row))
    _index_metadata(connection, row, metadata)


def _index_metadata(connection: Connection, row: int, metadata: Mapping[str, Any]) -> None:
    values = [
        {"item": row, "key": key, "value": as_filter(value)}
        for key, value in metadata.items()
        if isinstance(value, str | int | float | bool) and len(key) <= 256
    ]
    if values:
        connection.execute(insert(item_metadata), values)


def as_filter(value: str | float | bool) -> str:
    """A scalar of metadata as it is written in a filter: ``true``, ``3``, ``red``."""
    return value if isinstance(value, str) else str(value).lower()


def remove(connection: Connection, row: int) -> None:
    """Delete an item with its references."""
    references = select(reference.c.id).where(reference.c.item == row)
    connection.execute(delete(embedding).where(embedding.c.reference.in_(references)))
    connection.execute(delete(reference).where(reference.c.item == row))
    connection.execute(delete(item_metadata).where(item_metadata.c.item == row))
    connection.execute(delete(item).where(item.c.id == row))


def add_reference(
    connection: Connection,
    gallery_id: int,
    item_row: int,
    new: NewReference,
    picture_sha256: str,
    kept: bool,
    uid: str | None = None,
    created_at: datetime | None = None,
) -> ReferenceRow:
    """Add a reference to an item; its embedding is added apart."""
    x0, y0, x1, y1 = new.box
    values: dict[str, Any] = {
        "uid": uid or uuid7(),
        "gallery_id": gallery_id,
        "item": item_row,
        "x0": x0,
        "y0": y0,
        "x1": x1,
        "y1": y1,
        "source": new.source,
        "picture_sha256": picture_sha256,
        "kept": kept,
        "created_at": created_at or now(),
    }
    row = _made(connection.execute(insert(reference).values(values)).inserted_primary_key)
    return ReferenceRow(id=row, **values)


def remove_reference(connection: Connection, row: int) -> None:
    """Delete a reference with its embeddings."""
    connection.execute(delete(embedding).where(embedding.c.reference == row))
    connection.execute(delete(reference).where(reference.c.id == row))


def find_reference(connection: Connection, gallery_id: int, uid: str) -> ReferenceRow:
    """The reference of an id.

    Raises:
        NotFound: if there is none.
    """
    chosen = select(reference).where(reference.c.gallery_id == gallery_id, reference.c.uid == uid)
    row = connection.execute(chosen).one_or_none()
    if row is None:
        raise NotFound(f"there is no reference “{uid}” in this gallery")
    return reference_row(row)


def references_of(connection: Connection, items: Sequence[int]) -> dict[int, list[ReferenceRow]]:
    """References of items by item, oldest first."""
    found: dict[int, list[ReferenceRow]] = {row: [] for row in items}
    for portion in portions(items):
        chosen = select(reference).where(reference.c.item.in_(portion)).order_by(reference.c.id)
        for row in connection.execute(chosen):
            found[row.item].append(reference_row(row))
    return found


def count_references(connection: Connection, item_row: int) -> int:
    """How many references an item has."""
    chosen = select(func.count()).select_from(reference).where(reference.c.item == item_row)
    return int(connection.execute(chosen).scalar_one())


def with_picture(
    connection: Connection, gallery_id: int, picture_sha256: str
) -> list[tuple[ReferenceRow, str, str | None]]:
    """References of a gallery that show a picture, each with its item's id and label."""
    chosen = (
        select(reference, item.c.item_id, item.c.label)
        .join(item, reference.c.item == item.c.id)
        .where(reference.c.gallery_id == gallery_id, reference.c.picture_sha256 == picture_sha256)
    )
    return [(reference_row(row), row.item_id, row.label) for row in connection.execute(chosen)]


def described(connection: Connection, rows: Sequence[ItemRow]) -> list[Item]:
    """Items with their references."""
    references = references_of(connection, [row.id for row in rows])
    return [
        Item(
            id=row.item_id,
            label=row.label,
            negative=row.negative,
            metadata=row.metadata,
            references=[one.info() for one in references[row.id]],
            revision=row.revision,
            created_at=row.created_at,
        )
        for row in rows
    ]


def indexed(connection: Connection, gallery_id: int, items: Collection[int] | None = None) -> list[Indexed]:
    """What the index has to know of all references of a gallery, or of those of some items."""
    columns = (reference.c.id, reference.c.uid, reference.c.item, item.c.item_id, item.c.label, item.c.negative)
    chosen = select(*columns).join(item, reference.c.item == item.c.id).where(reference.c.gallery_id == gallery_id)
    if items is None:
        return [Indexed(*row) for row in connection.execute(chosen.order_by(reference.c.id))]
    return [
        Indexed(*row)
        for portion in portions(list(items))
        for row in connection.execute(chosen.where(reference.c.item.in_(portion)).order_by(reference.c.id))
    ]


def count_unkept(connection: Connection, gallery_id: int) -> int:
    """How many references of a gallery have no stored picture."""
    chosen = select(func.count()).select_from(reference)
    return int(connection.execute(chosen.where(reference.c.gallery_id == gallery_id, ~reference.c.kept)).scalar_one())


def still_there(connection: Connection, gallery_id: int, references: Sequence[int]) -> set[int]:
    """Those among some references, given by row number, that a gallery holds."""
    of_gallery = select(reference.c.id).where(reference.c.gallery_id == gallery_id)
    return {
        row
        for portion in portions(references)
        for row in connection.execute(of_gallery.where(reference.c.id.in_(portion))).scalars()
    }


def media_types(connection: Connection, pictures: Sequence[str]) -> dict[str, str]:
    """Media types of stored pictures."""
    return {
        row.sha256: row.media_type
        for portion in portions(list(pictures))
        for row in connection.execute(
            select(picture.c.sha256, picture.c.media_type).where(picture.c.sha256.in_(portion))
        )
    }


def portions(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Values in portions that fit into one statement."""
    for start in range(0, len(values), PORTION):
        yield values[start : start + PORTION]


def reference_row(row: Row[Any]) -> ReferenceRow:
    """A row of the table as a reference."""
    return ReferenceRow(**{column.name: row._mapping[column] for column in reference.c})


def _made(key: Row[Any] | None) -> int:
    if key is None:
        raise RuntimeError("the database gave no row number")
    return int(key[0])
