"""The use case of recognition: a picture in, its objects with their labels out."""

from kenspeckle.types import Box, Detection, GalleryState, ImageInfo, Models, Recognition
from services.common.context import current
from services.common.errors import NotReady, Unprocessable
from services.common.intake import Picture
from services.common.metrics import Metrics
from services.detector.answers import Region, Rule, judge, kept
from services.detector.embedding import Embedding
from services.detector.eyes import Eyes, Seen, Timings
from services.detector.parameters import RecognizeAsked
from services.detector.ports import Indexer

DEFAULT_RATE = 0.05


class Recognizer:
    """Detect, crop, embed all as one batch, search all at once, decide.

    Args:
        sure: least probability of a known answer.
        suppress_iou: overlap above which two boxes with one label are one object.
    """

    def __init__(
        self, eyes: Eyes, embedding: Embedding, indexer: Indexer, metrics: Metrics, sure: float, suppress_iou: float
    ) -> None:
        self._eyes = eyes
        self._embedding = embedding
        self._indexer = indexer
        self._metrics = metrics
        self._sure = sure
        self._suppress_iou = suppress_iou

    async def recognize(self, data: bytes, asked: RecognizeAsked) -> Recognition:
        """Recognise the objects of an encoded picture.

        Raises:
            NotFound: no such gallery. NotAPicture, TooLarge, Unprocessable: the picture or a box cannot be used.
            NotReady, Overloaded, DeadlineExceeded, Conflict: see the ports.
        """
        timings: Timings = {}
        with self._metrics.stage("total", timings):
            detects = asked.detect and asked.boxes is None
            seen = await self._eyes.see(data, asked.max_objects if detects else 0, timings)
            regions = _regions(seen, asked.boxes)
            model, vectors = await self._embedding.embed([(seen.picture, [one.box for one in regions])], timings)
            with self._metrics.stage("search", timings):
                answer = await self._indexer.search(
                    asked.gallery, model.fingerprint, vectors, asked.top_k, asked.min_revision
                )
            if model.calibrator is None:
                raise NotReady(f"the card of {model.name} has no calibration")
            with self._metrics.stage("decide", timings):
                rate = asked.false_accept_rate or model.false_accept_rate or DEFAULT_RATE
                rule = Rule(rate, model.calibrator, self._sure, answer.cohort_size)
                judged = [judge(region, hit, rule) for region, hit in zip(regions, answer.hits, strict=True)]
                stay = kept(judged, self._suppress_iou)
        self._metrics.event("recognitions")
        self._metrics.event("objects", len(stay))
        for index in stay if "embeddings" in asked.include else ():
            judged[index].embedding = vectors[index].tolist()
        return Recognition(
            image=image_info(seen.picture),
            objects=[judged[index] for index in stay],
            gallery=GalleryState(name=answer.gallery.name, revision=answer.gallery.revision),
            models=Models(detector=self._eyes.info.fingerprint if detects else None, extractor=model.fingerprint),
            request_id=current().request_id,
            timings_ms=timings if "timings" in asked.include else None,
        )

    async def detect(self, data: bytes, max_objects: int) -> Detection:
        """Boxes and scores alone."""
        seen = await self._eyes.see(data, max_objects, {})
        return Detection(
            image=image_info(seen.picture),
            objects=seen.objects,
            models={"detector": self._eyes.info.fingerprint},
            request_id=current().request_id,
        )


def image_info(picture: Picture) -> ImageInfo:
    """The picture as the answer names it."""
    return ImageInfo(width=picture.width, height=picture.height, sha256=picture.sha256)


def inside(box: Box, picture: Picture, field: str) -> Box:
    """A given box, cut at the picture's borders.

    Raises:
        Unprocessable: if less than a pixel of it lies inside.
    """
    x0, y0 = max(box[0], 0.0), max(box[1], 0.0)
    x1, y1 = min(box[2], float(picture.width)), min(box[3], float(picture.height))
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise Unprocessable(
            f"the box {list(box)} must be [x0, y0, x1, y1] with at least a pixel inside"
            f" the picture of {picture.width} x {picture.height}",
            field,
        )
    return x0, y0, x1, y1


def whole(picture: Picture) -> Box:
    """The box of the whole picture."""
    return 0.0, 0.0, float(picture.width), float(picture.height)


def _regions(seen: Seen, boxes: list[Box] | None) -> list[Region]:
    if boxes is not None:
        return [Region(inside(box, seen.picture, "boxes"), "given", None) for box in boxes]
    found = [Region(one.box, "detector", one.score) for one in seen.objects]
    return [*found, Region(whole(seen.picture), "whole", None)]
