"""Pages of items: filters, and a place in the list that stays right while the list changes."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, exists, select

from services.common.errors import Malformed
from services.indexer.store.items import ItemRow, fold
from services.indexer.store.tables import item, item_metadata


@dataclass(frozen=True)
class Filter:
    """What items have to be like: all of it.

    Attributes:
        label: exactly this label.
        contains: the label has this in it, whatever the case.
        metadata: top-level scalars, written as ``store.items.as_filter`` writes them.
    """

    label: str | None = None
    contains: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def page(connection: Connection, gallery_id: int, after: int, limit: int, wanted: Filter) -> list[ItemRow]:
    """Items in the order of their making, after a row number."""
    chosen = _matching(select(item), gallery_id, wanted).where(item.c.id > after)
    return [ItemRow(**row._mapping) for row in connection.execute(chosen.order_by(item.c.id).limit(limit))]


def rows_of(connection: Connection, gallery_id: int, wanted: Filter) -> set[int]:
    """Row numbers of all items that are as ``wanted``."""
    return set(connection.execute(_matching(select(item.c.id), gallery_id, wanted)).scalars())


def _matching(chosen: Select[Any], gallery_id: int, wanted: Filter) -> Select[Any]:
    chosen = chosen.where(item.c.gallery_id == gallery_id)
    if wanted.label is not None:
        chosen = chosen.where(item.c.label == wanted.label)
    if wanted.contains is not None:
        chosen = chosen.where(item.c.label_folded.contains(fold(wanted.contains), autoescape=True))
    for key, value in wanted.metadata.items():
        chosen = chosen.where(
            exists().where(
                item_metadata.c.item == item.c.id, item_metadata.c.key == key, item_metadata.c.value == value
            )
        )
    return chosen


def cursor_of(place: str) -> str:
    """An opaque cursor for the last entry of a page."""
    return base64.urlsafe_b64encode(f"1{place}".encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> str:
    """The place that a cursor stands for; the beginning without one.

    Raises:
        Malformed: if it was not made by ``cursor_of``.
    """
    if cursor is None:
        return ""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise Malformed("this is no cursor of this list", "cursor") from error
    if not text.startswith("1"):
        raise Malformed("this is no cursor of this list", "cursor")
    return text[1:]


def row_of(cursor: str | None) -> int:
    """The row number that a cursor stands for; 0 without one.

    Raises:
        Malformed: if it was not made of a row number.
    """
    place = place_of(cursor)
    if place and not (place.isascii() and place.isdigit() and len(place) < 19):
        raise Malformed("this is no cursor of this list", "cursor")
    return int(place or 0)
