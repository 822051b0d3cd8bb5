"""Changes of colour."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageEnhance

from training.data.transforms.base import TRANSFORMS, Pixels
from training.data.transforms.resize import to_pil

Range = float | Sequence[float]


@TRANSFORMS.register()
class ColorJitter:
    """With probability ``prob``, change brightness, contrast, saturation and hue by random amounts in random order.

    Factors are uniform in max(0, 1 - value)…1 + value, or in [least, largest]; ``hue`` shifts by a part of the circle,
    uniform in -value…value, at most 0.5.
    """

    def __init__(
        self, brightness: Range = 0, contrast: Range = 0, saturation: Range = 0, hue: Range = 0, prob: float = 2
    ) -> None:
        self._factors = [
            (enhancer, _factors(value))
            for enhancer, value in (
                (ImageEnhance.Brightness, brightness),
                (ImageEnhance.Contrast, contrast),
                (ImageEnhance.Color, saturation),
            )
        ]
        self._hue = (-hue, hue) if isinstance(hue, int | float) else (hue[0], hue[1])
        if not -0.5 <= self._hue[0] <= self._hue[1] <= 0.5:
            raise ValueError(f"ColorJitter: hue lies within -0.5…0.5, got {hue!r}")
        self._prob = prob

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() >= self._prob:
            return image
        picture = to_pil(image)
        for step in rng.permutation(len(self._factors) + 1):
            if step < len(self._factors):
                enhancer, (low, high) = self._factors[step]
                if low < high:
                    picture = enhancer(picture).enhance(rng.uniform(low, high))
            elif self._hue[0] < self._hue[1]:
                picture = shift_hue(picture, rng.uniform(*self._hue))
        return np.asarray(picture)


def shift_hue(picture: Image.Image, part: float) -> Image.Image:
    """Turn the colour circle by a part of it (-0.5…0.5)."""
    hue, saturation, value = picture.convert("HSV").split()
    turned = (np.asarray(hue, np.int16) + round(part * 255)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), saturation, value)).convert("RGB")


def _factors(value: Range) -> tuple[float, float]:
    low, high = (max(0.0, 1 - value), 1 + value) if isinstance(value, int | float) else (value[0], value[1])
    if not 0 <= low <= high:
        raise ValueError(f"ColorJitter: wanted a number or [least, largest], not negative, got {value!r}")
    return low, high


@TRANSFORMS.register()
class RandomGrayscale:
    """With probability ``p``, grey of the same luminance (ITU-R 601-2) in three channels."""

    def __init__(self, p: float = 0.1) -> None:
        self._prob = p

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return np.asarray(to_pil(image).convert("L").convert("RGB")) if rng.random() < self._prob else image


@TRANSFORMS.register()
class PCALighting:
    """Add random multiples (standard deviation 0.1) of the main colour directions of ImageNet (Krizhevsky, 2012).

    Of images of 0…1; those of 0…255 (uint8) keep their range.
    """

    VALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
    VECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        shift = self.VECTORS @ (rng.normal(0, 0.1, 3).astype(np.float32) * self.VALUES)
        if image.dtype == np.uint8:
            return np.asarray((image + shift * 255).round().clip(0, 255), np.uint8)
        return np.asarray(image + (shift if image.shape[2] == 3 else shift[:, None, None]), np.float32)
