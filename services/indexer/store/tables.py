"""The tables. Portable SQL: nothing here is particular to one database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

# SQLite makes row numbers for INTEGER primary keys alone; elsewhere they are 64 bits wide.
Serial = BigInteger().with_variant(Integer, "sqlite")


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no time zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Make the moment aware of its time zone."""
        if not isinstance(value, datetime):
            return None
        return value if value.tzinfo else value.replace(tzinfo=UTC)


gallery = Table(
    "gallery",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("keep_pictures", Boolean, nullable=False),
    Column("fingerprint", String(128)),
    Column("dim", Integer),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Utc, nullable=False),
    sqlite_autoincrement=True,
)

item = Table(
    "item",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("gallery_id", ForeignKey("gallery.id"), nullable=False),
    Column("item_id", String(128), nullable=False),
    Column("label", String(256)),
    Column("label_folded", Text, nullable=False),
    Column("negative", Boolean, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Utc, nullable=False),
    UniqueConstraint("gallery_id", "item_id"),
    Index(None, "gallery_id", "label"),
    sqlite_autoincrement=True,
)

# Scalars of an item's metadata as text, for filtering.
item_metadata = Table(
    "item_metadata",
    metadata,
    Column("item", ForeignKey("item.id"), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("value", Text, nullable=False),
)

# Row numbers are never used twice (autoincrement): an index that still holds a deleted one cannot mistake it.
reference = Table(
    "reference",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("uid", String(36), nullable=False),
    Column("gallery_id", ForeignKey("gallery.id"), nullable=False),
    Column("item", ForeignKey("item.id"), nullable=False, index=True),
    Column("x0", Float(53), nullable=False),
    Column("y0", Float(53), nullable=False),
    Column("x1", Float(53), nullable=False),
    Column("y1", Float(53), nullable=False),
    Column("source", String(16), nullable=False),
    Column("picture_sha256", String(64), nullable=False, index=True),
    Column("kept", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    UniqueConstraint("gallery_id", "uid"),
    sqlite_autoincrement=True,
)

embedding = Table(
    "embedding",
    metadata,
    Column("reference", ForeignKey("reference.id"), primary_key=True),
    Column("fingerprint", String(128), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

picture = Table(
    "picture",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("media_type", String(64), nullable=False),
)

change = Table(
    "change",
    metadata,
    Column("gallery_id", ForeignKey("gallery.id"), primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("operation", String(32), nullable=False),
    Column("item", BigInteger),
    Column("created_at", Utc, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("gallery_id", ForeignKey("gallery.id"), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("response", Text, nullable=False),
    Column("created_at", Utc, nullable=False, index=True),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created_at", Utc, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("gallery", String(63)),
    Column("state", String(16), nullable=False, index=True),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("message", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
)


def now() -> datetime:
    """The present moment, as it is stored."""
    return datetime.now(UTC)
