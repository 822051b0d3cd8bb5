"""Cutting objects out of a picture by a model's crop rule: the one way, for gallery, query and training."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from kenspeckle.geometry import clip_boxes, expand_boxes

Interpolation = Literal["bilinear", "bicubic", "halved-bilinear", "halved-bicubic"]
"""Filter of a resize, with antialiasing when shrinking. The halved ones first halve the picture, by the mean of 2 x 2
pixels, as often as the box stays at least as large as what is wanted, then reduce a side that is still twice as long or
longer by means of whole pixels: several times cheaper for large photos, and the same as the plain ones where nothing
shrinks to half or less."""

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_HALVED = "halved-"


class CropRule(BaseModel):
    """How an object is cut out before embedding (part of the fingerprint)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: float = Field(ge=0, le=1, description="Growth of the box on every side, as a share of its own size.")
    fit: Literal["squash"] = Field(default="squash", description="The crop is stretched to the input size.")


class Pyramid:
    """A picture and its halves, made when they are first needed and shared by all that is cut out of it.

    Not thread-safe: one request's steps run one after the other.

    Args:
        image: upright RGB picture.
    """

    def __init__(self, image: Image.Image) -> None:
        self._levels = [image]

    @property
    def image(self) -> Image.Image:
        """The picture itself."""
        return self._levels[0]

    def resize(
        self, box: tuple[float, float, float, float], width: int, height: int, interpolation: Interpolation
    ) -> NDArray[np.uint8]:
        """Stretch ``box`` (in the picture's pixels) to ``(height, width, 3) uint8``."""
        filter_ = _RESAMPLING[interpolation.removeprefix(_HALVED)]
        if not interpolation.startswith(_HALVED):
            return np.asarray(self.image.resize((width, height), filter_, box))
        shrinks, level = min((box[2] - box[0]) / width, (box[3] - box[1]) / height), 0
        while shrinks >= 2 << level:
            level += 1
        x0, y0, x1, y1 = (edge / (1 << level) for edge in box)
        half = self._level(level).resize((width, height), filter_, (x0, y0, x1, y1), reducing_gap=1.0)
        return np.asarray(half)

    def _level(self, number: int) -> Image.Image:
        while len(self._levels) <= number:
            self._levels.append(self._levels[-1].reduce(2))
        return self._levels[number]


def crop_boxes(
    image: Image.Image | Pyramid,
    boxes: ArrayLike,
    rule: CropRule,
    width: int,
    height: int,
    interpolation: Interpolation,
) -> NDArray[np.uint8]:
    """Cut boxes out of a picture and resize each to the extractor's input.

    Args:
        image: upright RGB picture; as a pyramid where more is cut out of it than this.
        boxes: ``(N, 4)`` in the picture's pixels; a box may lie partly outside, but must overlap the picture.
        rule: margin and fit.
        width, height: size of every crop in pixels.

    Returns:
        ``(N, height, width, 3) uint8``.

    Raises:
        ValueError: if a box has no area inside the picture.
    """
    pyramid = image if isinstance(image, Pyramid) else Pyramid(image)
    grown = clip_boxes(expand_boxes(boxes, rule.margin), pyramid.image.width, pyramid.image.height)
    if len(grown) and float((grown[:, 2:] - grown[:, :2]).min()) <= 0:
        raise ValueError("a box has no area inside the picture")
    crops = np.empty((len(grown), height, width, 3), np.uint8)
    for crop, (x0, y0, x1, y1) in zip(crops, grown.tolist(), strict=True):
        crop[...] = pyramid.resize((x0, y0, x1, y1), width, height, interpolation)
    return crops


def resize_picture(
    image: Image.Image | Pyramid, width: int, height: int, interpolation: Interpolation
) -> NDArray[np.uint8]:
    """Stretch a whole RGB picture to ``width`` x ``height``; returns ``(height, width, 3) uint8``."""
    pyramid = image if isinstance(image, Pyramid) else Pyramid(image)
    return pyramid.resize((0, 0, pyramid.image.width, pyramid.image.height), width, height, interpolation)
