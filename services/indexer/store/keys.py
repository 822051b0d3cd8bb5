"""Rows of API keys and of answered requests (idempotency)."""

from datetime import timedelta

from sqlalchemy import Connection, delete, insert, select

from kenspeckle.types import KeyInfo, Role
from services.indexer.store.tables import api_key, idempotency, now

# An answer is remembered at least this long for a request that is sent again.
REMEMBERED = timedelta(days=1)


def add_key(connection: Connection, key_id: str, name: str, role: Role, digest: str) -> KeyInfo:
    """Add a key of which only the hash is stored."""
    made = now()
    connection.execute(insert(api_key).values(id=key_id, name=name, role=role, hash=digest, created_at=made))
    return KeyInfo(id=key_id, name=name, role=role, created_at=made)


def remove_key(connection: Connection, key_id: str) -> bool:
    """Delete a key. Returns whether it was there."""
    return connection.execute(delete(api_key).where(api_key.c.id == key_id)).rowcount > 0


def all_keys(connection: Connection) -> list[tuple[KeyInfo, str]]:
    """All keys with their hashes, oldest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.id))
    return [(KeyInfo(id=row.id, name=row.name, role=row.role, created_at=row.created_at), row.hash) for row in rows]


def remembered(connection: Connection, gallery_id: int, key: str) -> tuple[str, str] | None:
    """Hash of the request that a key came with, and its answer; None for a new key."""
    chosen = select(idempotency.c.request_hash, idempotency.c.response).where(
        idempotency.c.gallery_id == gallery_id, idempotency.c.key == key
    )
    row = connection.execute(chosen).one_or_none()
    return (row.request_hash, row.response) if row else None


def remember(connection: Connection, gallery_id: int, key: str, request_hash: str, response: str) -> None:
    """Keep the answer to a request; answers that are old enough are forgotten."""
    made = now()
    connection.execute(delete(idempotency).where(idempotency.c.created_at < made - REMEMBERED))
    connection.execute(
        insert(idempotency).values(
            gallery_id=gallery_id, key=key, request_hash=request_hash, response=response, created_at=made
        )
    )
