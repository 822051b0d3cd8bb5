"""Pictures as arrays, cut out as serving does it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kenspeckle.crop import CropRule, Interpolation, crop_boxes
from training.data.pictures import Picture

CROP = CropRule(margin=0.05)
SERVING_SIZE = 224
SERVING_INTERPOLATION: Interpolation = "halved-bilinear"


def batches_of_crops(
    pictures: Sequence[Picture],
    rule: CropRule,
    size: int | tuple[int, int],
    interpolation: Interpolation,
    batch: int = 4,
) -> Iterator[NDArray[np.uint8]]:
    """Yield ``(<= batch, height, width, 3) uint8`` crops in order: by the box and ``rule``, else the whole picture.

    Args:
        size: width and height, or one side of a square.
    """
    width, height = (size, size) if isinstance(size, int) else size
    for start in range(0, len(pictures), batch):
        part = pictures[start : start + batch]
        yield np.concatenate([_crop(picture, rule, width, height, interpolation) for picture in part])


def _crop(picture: Picture, rule: CropRule, width: int, height: int, interpolation: Interpolation) -> NDArray[np.uint8]:
    image = picture.open()
    box = picture.box or (0, 0, image.width, image.height)
    return crop_boxes(image, [box], rule, width, height, interpolation)
