"""Rows of galleries, their revision and their change log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, distinct, func, insert, select, update

from kenspeckle.types import Gallery
from services.common.errors import NotFound
from services.indexer.store.tables import (
    change,
    embedding,
    gallery,
    idempotency,
    item,
    item_metadata,
    now,
    reference,
)


@dataclass(frozen=True)
class GalleryRow:
    """A gallery as stored."""

    id: int
    name: str
    description: str
    keep_pictures: bool
    fingerprint: str | None
    dim: int | None
    revision: int
    created_at: datetime


@dataclass(frozen=True)
class Change:
    """One committed change; ``item`` is the row number of the item that it concerns."""

    revision: int
    operation: str
    item: int | None


def create(connection: Connection, name: str, description: str, keep_pictures: bool) -> GalleryRow:
    """Add an empty gallery at revision 0."""
    values = {
        "name": name,
        "description": description,
        "keep_pictures": keep_pictures,
        "revision": 0,
        "created_at": now(),
    }
    connection.execute(insert(gallery).values(values))
    return find(connection, name)


def find(connection: Connection, name: str) -> GalleryRow:
    """The gallery of a name.

    Raises:
        NotFound: if there is none.
    """
    found = look_up(connection, name)
    if found is None:
        raise NotFound(f"there is no gallery “{name}”")
    return found


def look_up(connection: Connection, name: str) -> GalleryRow | None:
    """The gallery of a name, or None."""
    row = connection.execute(select(gallery).where(gallery.c.name == name)).one_or_none()
    return _row(row) if row else None


def all_names(connection: Connection) -> dict[int, str]:
    """Names of all galleries by row number."""
    return {row.id: row.name for row in connection.execute(select(gallery.c.id, gallery.c.name))}


def lock(connection: Connection, name: str) -> GalleryRow:
    """The gallery of a name, locked until the transaction ends; its revision is one up.

    Every change of a gallery begins with this: so commits happen in the order of revisions.

    Raises:
        NotFound: if there is none.
    """
    raised = update(gallery).where(gallery.c.name == name).values(revision=gallery.c.revision + 1)
    connection.execute(raised)
    return find(connection, name)


def record(connection: Connection, locked: GalleryRow, operation: str, item_row: int | None) -> None:
    """Write what the revision of a locked gallery consists of."""
    connection.execute(
        insert(change).values(
            gallery_id=locked.id, revision=locked.revision, operation=operation, item=item_row, created_at=now()
        )
    )


def changes_since(connection: Connection, gallery_id: int, revision: int) -> list[Change]:
    """Changes after a revision, oldest first."""
    chosen = select(change.c.revision, change.c.operation, change.c.item)
    rows = connection.execute(
        chosen.where(change.c.gallery_id == gallery_id, change.c.revision > revision).order_by(change.c.revision)
    )
    return [Change(row.revision, row.operation, row.item) for row in rows]


def forget_changes(connection: Connection, gallery_id: int, until: int) -> None:
    """Drop the log up to a revision: who is further behind loads the gallery anew."""
    connection.execute(delete(change).where(change.c.gallery_id == gallery_id, change.c.revision <= until))


def set_fields(connection: Connection, gallery_id: int, **values: object) -> None:
    """Change columns of a gallery's row."""
    connection.execute(update(gallery).where(gallery.c.id == gallery_id).values(**values))


def remove(connection: Connection, gallery_id: int) -> None:
    """Delete a gallery with everything in it (pictures are swept afterwards)."""
    references = select(reference.c.id).where(reference.c.gallery_id == gallery_id)
    items = select(item.c.id).where(item.c.gallery_id == gallery_id)
    connection.execute(delete(embedding).where(embedding.c.reference.in_(references)))
    connection.execute(delete(reference).where(reference.c.gallery_id == gallery_id))
    connection.execute(delete(item_metadata).where(item_metadata.c.item.in_(items)))
    for table in (item, change, idempotency):
        connection.execute(delete(table).where(table.c.gallery_id == gallery_id))
    connection.execute(delete(gallery).where(gallery.c.id == gallery_id))


def described(connection: Connection, rows: Sequence[GalleryRow]) -> list[Gallery]:
    """Galleries with their counts."""
    ids = [row.id for row in rows]
    items = {
        row.gallery_id: (row.items, row.labels)
        for row in connection.execute(
            select(item.c.gallery_id, func.count().label("items"), func.count(distinct(item.c.label)).label("labels"))
            .where(item.c.gallery_id.in_(ids))
            .group_by(item.c.gallery_id)
        )
    }
    references = {
        row.gallery_id: row.references
        for row in connection.execute(
            select(reference.c.gallery_id, func.count().label("references"))
            .where(reference.c.gallery_id.in_(ids))
            .group_by(reference.c.gallery_id)
        )
    }
    return [
        Gallery(
            name=row.name,
            revision=row.revision,
            fingerprint=row.fingerprint,
            items=items.get(row.id, (0, 0))[0],
            labels=items.get(row.id, (0, 0))[1],
            references=references.get(row.id, 0),
            keep_pictures=row.keep_pictures,
            description=row.description,
            created_at=row.created_at,
        )
        for row in rows
    ]


def page(connection: Connection, after: str, limit: int) -> list[GalleryRow]:
    """Galleries in order of name, after a name."""
    chosen = select(gallery).where(gallery.c.name > after).order_by(gallery.c.name).limit(limit)
    return [_row(row) for row in connection.execute(chosen)]


def _row(row: Row[tuple[object, ...]]) -> GalleryRow:
    return GalleryRow(**row._mapping)
