"""The use case of adding a thing: pictures in, references out."""

from collections.abc import Sequence
from dataclasses import dataclass

from kenspeckle.types import Box, DetectedObject, Enrolment, NewItem, NewReference, Source
from kenspeckle.types import Warning as Remark
from services.common.errors import TooLarge, Unprocessable
from services.common.intake import Picture
from services.detector.embedding import Embedding
from services.detector.eyes import Eyes
from services.detector.parameters import EnrolAsked
from services.detector.ports import Indexer
from services.detector.quality import flaws
from services.detector.recognition import inside, whole


@dataclass(frozen=True)
class _Reference:
    picture: Picture
    box: Box
    source: Source


class Enroller:
    """Find the thing in each picture, embed all as one batch, hand all to the indexer in one call.

    Args:
        min_score: least detection score of a box that stands for the thing.
        max_pictures: of one request.
    """

    def __init__(self, eyes: Eyes, embedding: Embedding, indexer: Indexer, min_score: float, max_pictures: int) -> None:
        self._eyes = eyes
        self._embedding = embedding
        self._indexer = indexer
        self._min_score = min_score
        self._max_pictures = max_pictures

    async def enrol(self, pictures: Sequence[bytes], asked: EnrolAsked, idempotency_key: str | None) -> Enrolment:
        """Add a new thing, or references to one that is there; all or nothing.

        Raises:
            Unprocessable: naming the field. NotAPicture, TooLarge: a picture cannot be used.
            Conflict, NotReady, Overloaded, DeadlineExceeded: see the ports.
        """
        self._check(pictures, asked)
        found = [await self._find(data, asked) for data in pictures]
        model, vectors = await self._embedding.embed([(one.picture, [one.box]) for one in found], {})
        item = NewItem(
            item_id=asked.item_id,
            label=asked.label,
            negative=asked.negative,
            metadata=asked.metadata,
            fingerprint=model.fingerprint,
            references=[
                NewReference(box=one.box, source=one.source, media_type=one.picture.media_type) for one in found
            ],
        )
        remarks = await self._eyes.compute(lambda: _remarks(found))
        answer = await self._indexer.enrol(asked.gallery, item, vectors, pictures, idempotency_key)
        return answer.model_copy(update={"warnings": [*answer.warnings, *remarks]})

    def _check(self, pictures: Sequence[bytes], asked: EnrolAsked) -> None:
        if not pictures:
            raise Unprocessable("send at least one picture in the field 'image'", "image")
        if len(pictures) > self._max_pictures:
            raise TooLarge(f"{len(pictures)} pictures were sent; at most {self._max_pictures} at a time", "image")
        if asked.negative == (asked.label is not None):
            raise Unprocessable("give either a label or negative=true", "label")
        if asked.box is not None and len(pictures) > 1:
            raise Unprocessable("a box belongs to one picture; send the pictures one by one", "box")

    async def _find(self, data: bytes, asked: EnrolAsked) -> _Reference:
        looks = asked.box is None and asked.crop == "auto"
        seen = await self._eyes.see(data, 1 if looks else 0, {})
        if asked.box is not None:
            return _Reference(seen.picture, inside(asked.box, seen.picture, "box"), "given")
        best = _best(seen.objects, self._min_score)
        if best is not None:
            return _Reference(seen.picture, best.box, "detector")
        return _Reference(seen.picture, whole(seen.picture), "whole")


def _best(objects: Sequence[DetectedObject], min_score: float) -> DetectedObject | None:
    return objects[0] if objects and objects[0].score >= min_score else None


def _remarks(references: Sequence[_Reference]) -> list[Remark]:
    return [
        Remark(code="poor", message=flaw, reference=index)
        for index, one in enumerate(references)
        for flaw in flaws(one.picture, one.box, one.source)
    ]
