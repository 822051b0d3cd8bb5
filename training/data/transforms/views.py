"""The random view of the shipped extractor's recipe, as a transform."""

from typing import Any

import numpy as np

from training.data.augment import Augmentation, random_view
from training.data.transforms.base import TRANSFORMS, Pixels
from training.data.transforms.resize import to_pil


@TRANSFORMS.register("RandomView")
class RandomView:
    """A jittered, turned, skewed and recoloured view of ``size`` pixels a side; see ``Augmentation`` for the ranges.

    What a data set cut out is the box that is varied: nothing of the picture around it is left to be seen.
    """

    def __init__(self, size: int, **ranges: Any) -> None:
        self._size, self._ranges = size, Augmentation(**ranges)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return random_view(to_pil(image), (0.0, 0.0, image.shape[1], image.shape[0]), self._size, rng, self._ranges)
