"""Cutting objects out of a picture by a model's crop rule: the one way, for gallery, query and training."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from kenspeckle.geometry import clip_boxes, expand_boxes

Interpolation = Literal["bilinear", "bicubic"]

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class CropRule(BaseModel):
    """How an object is cut out before embedding (part of the fingerprint)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: float = Field(ge=0, le=1, description="Growth of the box on every side, as a share of its own size.")
    fit: Literal["squash"] = Field(default="squash", description="The crop is stretched to the input size.")


def crop_boxes(
    image: Image.Image, boxes: ArrayLike, rule: CropRule, width: int, height: int, interpolation: Interpolation
) -> NDArray[np.uint8]:
    """Cut boxes out of a picture and resize each to the extractor's input.

    Args:
        image: upright RGB picture.
        boxes: ``(N, 4)`` in the picture's pixels; a box may lie partly outside, but must overlap the picture.
        rule: margin and fit.
        width, height: size of every crop in pixels.
        interpolation: filter, with antialiasing when shrinking.

    Returns:
        ``(N, height, width, 3) uint8``.

    Raises:
        ValueError: if a box has no area inside the picture.
    """
    grown = clip_boxes(expand_boxes(boxes, rule.margin), image.width, image.height)
    if len(grown) and float((grown[:, 2:] - grown[:, :2]).min()) <= 0:
        raise ValueError("a box has no area inside the picture")
    crops = np.empty((len(grown), height, width, 3), np.uint8)
    for crop, box in zip(crops, grown.tolist(), strict=True):
        crop[...] = np.asarray(image.resize((width, height), _RESAMPLING[interpolation], box=tuple(box)))
    return crops


def resize_picture(image: Image.Image, width: int, height: int, interpolation: Interpolation) -> NDArray[np.uint8]:
    """Stretch a whole RGB picture to ``width`` x ``height``; returns ``(height, width, 3) uint8``."""
    return np.asarray(image.resize((width, height), _RESAMPLING[interpolation]))
