"""Calls of the public door: recognise, detect, enrol."""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from PIL import Image

from kenspeckle.client.call import Call, Session, reader, text_params
from kenspeckle.client.pictures import Picture, encoded
from kenspeckle.types import Box, Detection, Enrolment, Recognition

OCTETS = "application/octet-stream"


def recognize(
    session: Session,
    picture: Picture,
    *,
    gallery: str = "default",
    detect: bool = True,
    boxes: Sequence[Box] | None = None,
    max_objects: int | None = None,
    top_k: int | None = None,
    false_accept_rate: float | None = None,
    min_revision: int | None = None,
    timings: bool = False,
    embeddings: bool = False,
) -> Call[Recognition]:
    """Recognise the things in a picture.

    Args:
        picture: path, encoded bytes or Pillow image.
        gallery: the gallery to look in.
        detect: look for objects; if False, the whole picture is the object.
        boxes: the objects, in pixels of the upright picture; the detector is then skipped.
        max_objects: most objects to report.
        top_k: candidates per object.
        false_accept_rate: share of unrelated things that may be taken for something in the gallery.
        min_revision: gallery revision that the answer must have seen; by default that of this client's own writes.
        timings: also give the milliseconds of each stage.
        embeddings: also give the embedding of each object.

    Raises:
        ProblemError: the service's reason. ConnectionFailed: no answer. UnusablePicture: nothing to send.
    """
    include = [name for name, wanted in (("timings", timings), ("embeddings", embeddings)) if wanted]
    params = text_params(
        gallery=gallery,
        detect=detect,
        boxes=None if boxes is None else json.dumps([list(box) for box in boxes]),
        max_objects=max_objects,
        top_k=top_k,
        false_accept_rate=false_accept_rate,
        min_revision=session.revision(gallery) if min_revision is None else min_revision,
        include=",".join(include) or None,
    )
    return Call(
        "POST",
        "/recognize",
        reader(Recognition),
        params=params,
        headers={"Content-Type": OCTETS},
        content=encoded(picture),
        repeatable=True,
        gallery=gallery,
    )


def detect(_: Session, picture: Picture, *, max_objects: int | None = None) -> Call[Detection]:
    """Find the things in a picture, without naming them.

    Args:
        picture: path, encoded bytes or Pillow image.
        max_objects: most objects to report.
    """
    return Call(
        "POST",
        "/detect",
        reader(Detection),
        params=text_params(max_objects=max_objects),
        headers={"Content-Type": OCTETS},
        content=encoded(picture),
        repeatable=True,
    )


def enrol(
    _: Session,
    pictures: Picture | Sequence[Picture],
    label: str | None = None,
    *,
    gallery: str = "default",
    item_id: str | None = None,
    negative: bool = False,
    box: Box | None = None,
    crop: Literal["auto", "whole"] | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Enrolment]:
    """Add a thing to a gallery, or further pictures of one that is there.

    Args:
        pictures: one picture or several of the same thing.
        label: its name; needed unless ``negative``.
        gallery: made if missing.
        item_id: your own id; an item with this id gets the pictures as further references.
        negative: pictures of something that looks alike and must not be recognised.
        box: where the thing is, in pixels of the upright picture.
        crop: ``auto`` takes the best detected object, ``whole`` the whole picture.
        metadata: any JSON object, kept with the item.
        idempotency_key: repeats with the same key do nothing; made by default, so that a retry never adds twice.
    """
    several = [pictures] if isinstance(pictures, str | bytes | os.PathLike | Image.Image) else list(pictures)
    return Call(
        "POST",
        "/gallery",
        reader(Enrolment),
        headers={"Idempotency-Key": idempotency_key or uuid.uuid4().hex},
        data=text_params(
            label=label,
            gallery=gallery,
            item_id=item_id,
            negative=True if negative else None,
            box=None if box is None else json.dumps(list(box)),
            crop=crop,
            metadata=None if metadata is None else json.dumps(dict(metadata)),
        ),
        files=[("image", (f"picture-{index}", encoded(picture), OCTETS)) for index, picture in enumerate(several)],
        repeatable=True,
        settled=lambda session, enrolment: session.saw(enrolment.gallery, enrolment.revision),
    )
