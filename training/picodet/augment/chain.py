"""The chain of changes that makes a training sample."""

from collections.abc import Callable

from numpy.random import Generator
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from training.picodet.augment.pictures import distort, flip, mosaic, paste, quarter_turn, random_crop, shrink, squash
from training.picodet.data import Sample

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Resampling of a whole batch; the official nearest, linear, area, cubic and lanczos."""

Draw = Callable[[], Sample]


class Augmentation(BaseModel):
    """Shares of the samples that get each change. The defaults are those of the official configurations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mosaic: float = Field(default=0.0, ge=0, le=1, description="Four pictures on one canvas.")
    turn: float = Field(default=0.0, ge=0, le=1, description="A turn by 90, 180 or 270 degrees.")
    crop: float = Field(default=1.0, ge=0, le=1, description="A random crop around some object; one in seven is none.")
    shrink: float = Field(default=0.0, ge=0, le=1, description="A larger canvas around the picture, if not cropped.")
    paste: float = Field(default=0.0, ge=0, le=1, description="Objects cut out of other pictures.")
    pasted: int = Field(default=6, ge=1, description="Most objects that are pasted into one sample.")
    flip: float = Field(default=0.5, ge=0, le=1, description="Mirrored left and right.")
    distort: float = Field(default=0.5, ge=0, le=1, description="Brightness, contrast, colour, hue: each.")


def training_sample(
    first: Sample, draw: Draw, settings: Augmentation, size: int, resampling: Image.Resampling, rng: Generator
) -> Sample:
    """Make one augmented ``size`` x ``size`` sample of the picture ``first``.

    Args:
        draw: gives another random picture of the training set, for mosaics and pasted objects.
    """
    sample = first
    if rng.random() < settings.mosaic:
        sample = mosaic([first, *(draw() for _ in range(3))], size, rng)
    if rng.random() < settings.turn:
        sample = quarter_turn(sample, int(rng.integers(1, 4)))
    choice = rng.random()
    if choice < settings.crop:
        sample = random_crop(sample, rng)
    elif choice < settings.crop + settings.shrink:
        sample = shrink(sample, rng)
    sample = squash(sample, size, resampling)
    if rng.random() < settings.paste:
        for _ in range(rng.integers(1, settings.pasted + 1)):
            sample = paste(sample, draw(), rng)
    if rng.random() < settings.flip:
        sample = flip(sample)
    return Sample(distort(sample.image, settings.distort, rng), sample.boxes, sample.labels)
