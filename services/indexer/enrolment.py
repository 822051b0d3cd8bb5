"""Adding items and references."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection

from kenspeckle.bits import are_codes
from kenspeckle.geometry import box_iou
from kenspeckle.types import Enrolment, NewItem, NewReference
from kenspeckle.types import Warning as Remark
from services.common.errors import Conflict, NotFound, Unprocessable
from services.indexer.cohorts import Cohorts
from services.indexer.directory import Directory
from services.indexer.ids import uuid7
from services.indexer.keeping import PictureKeeper
from services.indexer.store import embeddings as embedding_rows
from services.indexer.store import galleries, items
from services.indexer.store import keys as answers
from services.indexer.store.database import Database
from services.indexer.store.galleries import GalleryRow
from services.indexer.store.items import ItemRow, ReferenceRow

MEDIA_TYPES = frozenset(
    f"image/{kind}" for kind in ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic", "heif")
)
MAX_METADATA_BYTES = 16 * 1024
MAX_COORDINATE = 1e6
UNIT_TOLERANCE = 1e-3
SAME_BOX = 0.95
log = structlog.get_logger()


@dataclass(frozen=True)
class Limits:
    """How much may be stored: galleries, references of one, references of an item."""

    galleries: int
    references: int
    references_per_item: int


class Enroller:
    """The use case behind ``POST /galleries/{g}/items``. Blocking."""

    def __init__(
        self, database: Database, pictures: PictureKeeper, directory: Directory, cohorts: Cohorts, limits: Limits
    ) -> None:
        self._database = database
        self._pictures = pictures
        self._directory = directory
        self._cohorts = cohorts
        self._limits = limits

    def enrol(
        self,
        gallery: str,
        new: NewItem,
        embeddings: NDArray[np.float32],
        pictures: Sequence[bytes],
        idempotency_key: str | None,
    ) -> Enrolment:
        """Add an item, or references to the item of that id; searchable when this returns.

        Metadata that is given for an item that exists is merged into its own, key by key.

        Args:
            gallery: made if there is none of this name.
            embeddings: ``(N, dim) float32``, unit length, in the order of ``new.references``.
            pictures: encoded pictures in the same order.
            idempotency_key: a request that comes again with the same key gets the first answer again.

        Raises:
            Unprocessable: naming the field that cannot be used.
            Conflict: if the gallery has another fingerprint, the item another label, or the key came with another
                request.
        """
        self._check(new, embeddings, pictures)
        hashes = [hashlib.sha256(picture).hexdigest() for picture in pictures]
        request_hash = _request_hash(new, hashes)
        label, kept = self._foresee(gallery, new)
        for picture in pictures if kept else ():
            self._pictures.put(picture)
        alike = self._compare(gallery, new.fingerprint, label, embeddings)
        with self._database.write() as connection:
            row = galleries.look_up(connection, gallery) or self._create(connection, gallery)
            if idempotency_key is not None:
                earlier = answers.remembered(connection, row.id, idempotency_key)
                if earlier is not None:
                    return _replayed(earlier, request_hash)
            row = galleries.lock(connection, gallery)
            self._claim_fingerprint(connection, row, new.fingerprint, embeddings.shape[1])
            duplicates = self._duplicates(connection, row, new.references, hashes)
            item, created = self._item(connection, row, new)
            added = self._references(connection, row, item, new, hashes, pictures)
            vectors = zip([one.id for one in added], embeddings, strict=True)
            embedding_rows.add(connection, new.fingerprint, vectors)
            galleries.record(connection, row, "enrol", item.id)
            answer = Enrolment(
                gallery=gallery,
                item_id=item.item_id,
                label=item.label,
                negative=item.negative,
                created=created,
                references=[one.info() for one in added],
                revision=row.revision,
                warnings=alike + duplicates,
            )
            if idempotency_key is not None:
                text = answer.model_dump_json()
                answers.remember(connection, row.id, idempotency_key, request_hash, text)
        self._directory.catch_up(gallery)
        return answer

    def _check(self, new: NewItem, embeddings: NDArray[np.float32], pictures: Sequence[bytes]) -> None:
        count = len(new.references)
        if new.negative and new.label is not None:
            raise Unprocessable("a negative has no label", "label")
        if len(pictures) != count:
            raise Unprocessable(f"there are {len(pictures)} pictures for {count} references", "picture")
        cohort = self._cohorts.get(new.fingerprint)
        if cohort is None:
            raise Unprocessable(f"no bundle with the fingerprint {new.fingerprint} is here", "fingerprint")
        check_embeddings(embeddings, count, cohort.shape[1], self._cohorts.hashing(new.fingerprint))
        check_metadata(new.metadata)
        for index, (reference, picture) in enumerate(zip(new.references, pictures, strict=True)):
            check_reference(reference, f"references.{index}")
            if not picture:
                raise Unprocessable("this picture is empty", f"picture.{index}")

    def _foresee(self, gallery: str, new: NewItem) -> tuple[str | None, bool]:
        """The label that the item will have, and whether pictures will be kept.

        What is refused here is refused before pictures are stored for it.
        """
        with self._database.read() as connection:
            row = galleries.look_up(connection, gallery)
            if row is None:
                return new.label, True
            _require_fingerprint(row, new.fingerprint)
            item = items.look_up(connection, row.id, new.item_id) if new.item_id is not None else None
            return item.label if item else new.label, row.keep_pictures

    def _compare(
        self, gallery: str, fingerprint: str, label: str | None, embeddings: NDArray[np.float32]
    ) -> list[Remark]:
        try:
            index = self._directory.get(gallery)
        except NotFound:
            return []
        if index.count + len(embeddings) > self._limits.references:
            raise Conflict(f"a gallery has at most {self._limits.references} references", "references")
        alike = index.lookalikes(fingerprint, embeddings, label) if label is not None else []
        return [
            Remark(
                code="looks_like",
                message=f"this looks like “{one.label}” (similarity {one.similarity:.2f})",
                reference=index,
                label=one.label,
                similarity=one.similarity,
            )
            for index, one in enumerate(alike)
            if one is not None
        ]

    def _create(self, connection: Connection, name: str) -> GalleryRow:
        if len(galleries.all_names(connection)) >= self._limits.galleries:
            raise Conflict(f"there are {self._limits.galleries} galleries already; delete some")
        return galleries.create(connection, name, "", keep_pictures=True)

    @staticmethod
    def _claim_fingerprint(connection: Connection, row: GalleryRow, fingerprint: str, dim: int) -> None:
        _require_fingerprint(row, fingerprint)
        if row.fingerprint is None:
            galleries.set_fields(connection, row.id, fingerprint=fingerprint, dim=dim)

    @staticmethod
    def _duplicates(
        connection: Connection, row: GalleryRow, new: Sequence[NewReference], hashes: Sequence[str]
    ) -> list[Remark]:
        found = []
        for index, (reference, sha256) in enumerate(zip(new, hashes, strict=True)):
            stored = [(one.box, label) for one, _, label in items.with_picture(connection, row.id, sha256)]
            same_request = [(one.box, None) for one, other in zip(new[:index], hashes, strict=False) if other == sha256]
            for box, label in stored + same_request:
                if box_iou([reference.box], [box])[0, 0] > SAME_BOX:
                    where = f"of “{label}”" if label else "of this gallery"
                    message = f"this picture and box are a reference {where} already"
                    found.append(Remark(code="duplicate", message=message, reference=index, label=label))
                    break
        return found

    def _item(self, connection: Connection, row: GalleryRow, new: NewItem) -> tuple[ItemRow, bool]:
        """The item that gets the references: the one of the given id, or a new one."""
        existing = items.look_up(connection, row.id, new.item_id) if new.item_id is not None else None
        if existing is None:
            if new.label is None and not new.negative:
                raise Unprocessable("a new item needs a label (or negative=true)", "label")
            item_id = new.item_id or uuid7()
            items.add(connection, row.id, row.revision, item_id, new.label, new.negative, new.metadata)
            return items.find(connection, row.id, item_id), True
        if new.negative != existing.negative and (new.negative or new.label is not None):
            raise Conflict(f"the item “{existing.item_id}” is {_kind(existing)}", "negative")
        if new.label is not None and new.label != existing.label:
            raise Conflict(
                f"the item “{existing.item_id}” has the label “{existing.label}”; relabel it first, or leave the"
                " label out",
                "label",
            )
        metadata = {**existing.metadata, **new.metadata}
        check_metadata(metadata)
        items.change(connection, existing.id, row.revision, existing.label, metadata)
        return existing, False

    def _references(
        self,
        connection: Connection,
        row: GalleryRow,
        item: ItemRow,
        new: NewItem,
        hashes: Sequence[str],
        pictures: Sequence[bytes],
    ) -> list[ReferenceRow]:
        if items.count_references(connection, item.id) + len(hashes) > self._limits.references_per_item:
            raise Conflict(f"an item has at most {self._limits.references_per_item} references", "references")
        added = []
        for reference, sha256, picture in zip(new.references, hashes, pictures, strict=True):
            if row.keep_pictures:
                self._pictures.note(connection, picture, reference.media_type)
            added.append(items.add_reference(connection, row.id, item.id, reference, sha256, row.keep_pictures))
        return added


def check_embeddings(embeddings: NDArray[np.float32], count: int | None, dim: int, hashing: bool) -> None:
    """Refuse embeddings that are not ``(count, dim)``, finite and of unit length.

    Args:
        hashing: they have to be codes of a hashing model.

    Raises:
        Unprocessable: saying which and why.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != dim or (count is not None and len(embeddings) != count):
        expected = f"({'any' if count is None else count}, {dim})"
        raise Unprocessable(f"embeddings have the shape {embeddings.shape}, not {expected}", "embeddings")
    lengths = np.linalg.norm(embeddings, axis=1)
    off = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))
    if len(off):
        raise Unprocessable(f"embedding {off[0]} has the length {lengths[off[0]]:.4f}, not 1", "embeddings")
    if hashing and not (codes := are_codes(embeddings, UNIT_TOLERANCE)).all():
        raise Unprocessable(
            f"embedding {np.flatnonzero(~codes)[0]} is no code: this model gives bits, each number is 1/sqrt({dim})"
            f" ({1 / math.sqrt(dim):.6f}) for a bit that is set and -1/sqrt({dim}) for another one",
            "embeddings",
        )


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Refuse metadata that is too large or no JSON.

    Raises:
        Unprocessable: saying why.
    """
    try:
        size = len(json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode())
    except (ValueError, TypeError) as error:
        raise Unprocessable("metadata must be a JSON object without NaN and infinity", "metadata") from error
    if size > MAX_METADATA_BYTES:
        raise Unprocessable(f"metadata is {size} bytes as JSON; {MAX_METADATA_BYTES} are allowed", "metadata")


def check_reference(reference: NewReference, field: str) -> None:
    """Refuse boxes without area and media types that are no pictures.

    Raises:
        Unprocessable: saying why.
    """
    x0, y0, x1, y1 = reference.box
    if not all(math.isfinite(value) and abs(value) <= MAX_COORDINATE for value in reference.box):
        raise Unprocessable("a box is four finite numbers of pixels", f"{field}.box")
    if x1 <= x0 or y1 <= y0:
        raise Unprocessable("a box is [x0, y0, x1, y1] with x1 > x0 and y1 > y0", f"{field}.box")
    if reference.media_type not in MEDIA_TYPES:
        raise Unprocessable(f"not one of {', '.join(sorted(MEDIA_TYPES))}", f"{field}.media_type")


def _require_fingerprint(row: GalleryRow, fingerprint: str) -> None:
    if row.fingerprint not in (None, fingerprint):
        raise Conflict(
            f"the gallery “{row.name}” holds embeddings of {row.fingerprint}, these are of {fingerprint};"
            f" re-embed the gallery (POST /galleries/{row.name}/reembed)",
            "fingerprint",
        )


def _request_hash(new: NewItem, hashes: Sequence[str]) -> str:
    """What makes two requests the same: what the user said. Boxes that a model found, and the embeddings, may
    differ in their last digits when the same request comes again."""
    said = {
        **new.model_dump(mode="json", exclude={"references", "fingerprint"}),
        "pictures": list(hashes),
        "boxes": [one.box if one.source == "given" else one.source for one in new.references],
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _replayed(earlier: tuple[str, str], request_hash: str) -> Enrolment:
    if earlier[0] != request_hash:
        raise Conflict("this Idempotency-Key came with another request before", "Idempotency-Key")
    return Enrolment.model_validate_json(earlier[1])


def _kind(item: ItemRow) -> str:
    return "a negative" if item.negative else f"no negative but has the label “{item.label}”"
