"""Rows of embeddings: float32, or the packed bits of codes (``kenspeckle.bits``); the length tells which."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Exists, delete, exists, func, insert, select

from kenspeckle.bits import are_codes, packed, unit_codes
from services.indexer.store.items import ReferenceRow, portions, reference_row
from services.indexer.store.tables import embedding, reference

STORED = np.dtype("<f4")
Vector = NDArray[np.float32]


def add(connection: Connection, fingerprint: str, vectors: Iterable[tuple[int, Vector]]) -> None:
    """Store embeddings of references, given by row number."""
    values = [{"reference": row, "fingerprint": fingerprint, "vector": _bytes(vector)} for row, vector in vectors]
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
        rows = {row.reference: row.vector for row in connection.execute(chosen)}
        floats = {number: vector for number, vector in rows.items() if len(vector) == dim * STORED.itemsize}
        bits = {number: vector for number, vector in rows.items() if dim % 8 == 0 and len(vector) == dim // 8}
        if len(floats) + len(bits) != len(portion):
            raise RuntimeError(f"embeddings of {fingerprint} are missing or of another length than {dim}")
        vectors = np.frombuffer(b"".join(floats.values()), STORED).reshape(-1, dim).astype(np.float32)
        yield from zip(floats, vectors, strict=True)
        codes = unit_codes(np.frombuffer(b"".join(bits.values()), np.uint8).reshape(-1, max(1, dim // 8)))
        yield from zip(bits, codes, strict=True)


def _bytes(vector: Vector) -> bytes:
    if are_codes(vector[None])[0]:
        return packed(vector[None]).tobytes()
    return vector.astype(STORED).tobytes()


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
