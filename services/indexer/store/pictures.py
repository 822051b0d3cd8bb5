"""Rows of stored pictures."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, insert, select

from services.indexer.store.tables import picture, reference


def add(connection: Connection, sha256: str, size: int, media_type: str) -> None:
    """Note a stored picture (nothing to do if it is noted)."""
    if connection.execute(select(picture.c.sha256).where(picture.c.sha256 == sha256)).one_or_none() is None:
        connection.execute(insert(picture).values(sha256=sha256, size=size, media_type=media_type))


def media_type(connection: Connection, sha256: str) -> str | None:
    """Media type of a stored picture; None if it is not noted."""
    return connection.execute(select(picture.c.media_type).where(picture.c.sha256 == sha256)).scalar_one_or_none()


def unused(connection: Connection, limit: int, among: Sequence[str] | None) -> list[str]:
    """Pictures that no reference keeps, of all or of those given."""
    kept = exists().where(reference.c.picture_sha256 == picture.c.sha256, reference.c.kept)
    chosen = select(picture.c.sha256).where(~kept).limit(limit)
    if among is not None:
        chosen = chosen.where(picture.c.sha256.in_(among))
    return list(connection.execute(chosen).scalars())


def remove(connection: Connection, sha256: Sequence[str]) -> None:
    """Forget pictures."""
    connection.execute(delete(picture).where(picture.c.sha256.in_(sha256)))


def noted(connection: Connection, sha256: Sequence[str]) -> set[str]:
    """Those among ``sha256`` that are noted."""
    return set(connection.execute(select(picture.c.sha256).where(picture.c.sha256.in_(sha256))).scalars())
