"""The loaded detector bundle: a picture in, boxes out."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from kenspeckle.bundle import Bundle, BundleError, open_session, read_bundle, verify_bundle
from kenspeckle.crop import resize_picture
from kenspeckle.geometry import box_areas, clip_boxes, scale_boxes
from kenspeckle.types import DetectedObject, ModelInfo
from services.common.intake import Picture


class DetectionModel:
    """A verified bundle and its open session.

    Attributes:
        info: what the service says of the model.
    """

    def __init__(self, bundle: Bundle, session: Any, variant: str) -> None:
        self._session = session
        # One run at a time: a run already uses all the threads that it may.
        self._turn = threading.Lock()
        card = bundle.card
        self.info = ModelInfo(
            name=card.name,
            version=card.version,
            kind="detector",
            fingerprint=card.models[variant].fingerprint,
            width=card.input.width,
            height=card.input.height,
            interpolation=card.input.interpolation,
            licence=card.licence,
        )

    def detect(self, picture: Picture, min_score: float, limit: int) -> list[DetectedObject]:
        """Objects of a picture, best first, boxes in full-size pixels. Blocking; safe to call from threads."""
        info = self.info
        pixels = resize_picture(picture.pyramid, info.width, info.height, info.interpolation)
        with self._turn:
            boxes, scores, count = self._session.run(["boxes", "scores", "count"], {"image": pixels[np.newaxis]})
        found = int(count[0])
        full = scale_boxes(boxes[0, :found], picture.width / info.width, picture.height / info.height)
        full = clip_boxes(full, picture.width, picture.height)
        objects = [
            DetectedObject(box=(box[0], box[1], box[2], box[3]), score=min(1.0, float(score)))
            for box, score, area in zip(full.round(2).tolist(), scores[0, :found], box_areas(full), strict=True)
            if score >= min_score and area >= 1
        ]
        return objects[:limit]


def load_detector(path: Path, variant: str, threads: int) -> DetectionModel:
    """Read, verify and warm a bundle.

    Raises:
        BundleError: naming the bundle and the reason.
    """
    bundle = read_bundle(path)
    if bundle.card.kind != "detector":
        raise BundleError(f"{path}: this is a {bundle.card.kind}, not a detector")
    session = open_session(bundle, variant, threads=threads)
    verify_bundle(bundle, session, variant)
    return DetectionModel(bundle, session, variant)
