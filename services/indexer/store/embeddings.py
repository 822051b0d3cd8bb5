"""Rows of embeddings."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Exists, delete, exists, func, insert, select

from services.indexer.store.items import ReferenceRow, portions, reference_row
from services.indexer.store.tables import embedding, reference

STORED = np.dtype("<f4")
Vector = NDArray[np.float32]


def add(connection: Connection, fingerprint: str, vectors: Iterable[tuple[int, Vector]]) -> None:
    """Store embeddings of references, given by row number."""
    values = [
        {"reference": row, "fingerprint": fingerprint, "vector": vector.astype(STORED).tobytes()}
        for row, vector in vectors
    ]
    connection.execute(insert(embedding), values)


def read(connection: Connection, fingerprint: str, references: Sequence[int], dim: int) -> Iterator[tuple[int, Vector]]:
    """Embeddings ``(dim,)`` of references, given by row number; in any order.

    Raises:
        RuntimeError: if a reference has none: the database is damaged.
    """
    for portion in portions(references):
        chosen = select(embedding.c.reference, embedding.c.vector).where(
            embedding.c.fingerprint == fingerprint, embedding.c.reference.in_(portion)
        )
        rows = connection.execute(chosen).all()
        joined = b"".join(row.vector for row in rows)
        if len(rows) != len(portion) or len(joined) != len(rows) * dim * STORED.itemsize:
            raise RuntimeError(f"embeddings of {fingerprint} are missing or of another length than {dim}")
        vectors = np.frombuffer(joined, STORED).reshape(-1, dim).astype(np.float32)
        yield from zip((row.reference for row in rows), vectors, strict=True)


def count(connection: Connection, gallery_id: int, fingerprint: str) -> tuple[int, int]:
    """How many references a gallery has, and how many of them have an embedding of a fingerprint."""
    of_gallery = select(func.count()).select_from(reference).where(reference.c.gallery_id == gallery_id)
    return (
        connection.execute(of_gallery).scalar_one(),
        connection.execute(of_gallery.where(_has(fingerprint))).scalar_one(),
    )


def missing(connection: Connection, gallery_id: int, fingerprint: str, limit: int) -> list[ReferenceRow]:
    """References that have no embedding of a fingerprint, oldest first."""
    chosen = select(reference).where(reference.c.gallery_id == gallery_id, ~_has(fingerprint))
    return [reference_row(row) for row in connection.execute(chosen.order_by(reference.c.id).limit(limit))]


def remove_others(connection: Connection, gallery_id: int, fingerprint: str) -> None:
    """Delete all embeddings of a gallery that are not of a fingerprint."""
    of_gallery = select(reference.c.id).where(reference.c.gallery_id == gallery_id)
    connection.execute(
        delete(embedding).where(embedding.c.reference.in_(of_gallery), embedding.c.fingerprint != fingerprint)
    )


def _has(fingerprint: str) -> Exists:
    return exists().where(embedding.c.reference == reference.c.id, embedding.c.fingerprint == fingerprint)
