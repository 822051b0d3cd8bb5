"""Flips, borders and rotations."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from training.data.transforms.base import TRANSFORMS, Pixels
from training.data.transforms.decode import Backend
from training.data.transforms.resize import CV2_INTERPOLATIONS

BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "edge": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
}


@TRANSFORMS.register()
class RandFlipImage:
    """Flip with probability one half: ``flip_code`` 1 left-right, 0 upside down, -1 both."""

    def __init__(self, flip_code: int = 1) -> None:
        if flip_code not in (-1, 0, 1):
            raise ValueError(f"RandFlipImage: flip_code is 1, 0 or -1, got {flip_code!r}")
        self._code = flip_code

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return np.asarray(cv2.flip(image, self._code)) if rng.integers(0, 2) == 1 else image


@TRANSFORMS.register()
class RandomHorizontalFlip:
    """Flip left-right with probability ``prob``."""

    def __init__(self, prob: float = 0.5) -> None:
        self._prob = prob

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return np.asarray(cv2.flip(image, 1)) if rng.random() < self._prob else image


@TRANSFORMS.register()
class RandomRot90:
    """Turn by 0, 90, 180 or 270 degrees, all alike."""

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return np.ascontiguousarray(np.rot90(image, int(rng.integers(0, 4))))


@TRANSFORMS.register()
class Pad:
    """Add a border.

    Args:
        padding: pixels on all sides, [left and right, top and bottom], or [left, top, right, bottom].
        fill: value, or one per channel, of a constant border.
        padding_mode: constant, edge, reflect (without the edge) or symmetric (with it).
        backend: taken for old configurations; both give the same.
    """

    def __init__(
        self,
        padding: int | Sequence[int],
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
        backend: Backend = "pil",
    ) -> None:
        sides = [padding] * 4 if isinstance(padding, int) else [*padding] * (2 if len(padding) == 2 else 1)
        if len(sides) != 4 or padding_mode not in BORDERS:
            raise ValueError(f"Pad: padding is 1, 2 or 4 numbers and padding_mode one of {', '.join(BORDERS)}")
        self._left, self._top, self._right, self._bottom = sides
        self._fill, self._border = channels(fill), BORDERS[padding_mode]

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        sides = self._top, self._bottom, self._left, self._right
        return np.asarray(cv2.copyMakeBorder(image, *sides, self._border, value=self._fill))


@TRANSFORMS.register()
class RandomRotation:
    """With probability ``prob``, turn by an angle uniform in ``degrees``, keeping the size.

    Args:
        degrees: a number for -degrees…degrees, or [least, largest]; positive is counter-clockwise.
        interpolation: nearest, bilinear, area, bicubic or lanczos.
        expand: make the image as large as the turned one needs.
        center: [x, y] in pixels to turn about, by default the middle.
        fill: value, or one per channel, of what becomes free.
        prob: probability.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: float | Sequence[float] = 0,
        prob: float = 0.5,
    ) -> None:
        if interpolation not in CV2_INTERPOLATIONS:
            raise ValueError(
                f"RandomRotation: interpolation {interpolation!r} is not one of {', '.join(CV2_INTERPOLATIONS)}"
            )
        self._low, self._high = (-degrees, degrees) if isinstance(degrees, int | float) else degrees
        self._interpolation, self._expand, self._centre = CV2_INTERPOLATIONS[interpolation], expand, center
        self._fill, self._prob = channels(fill), prob

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return self.turned(image, rng.uniform(self._low, self._high)) if rng.random() < self._prob else image

    def turned(self, image: Pixels, degrees: float) -> Pixels:
        """The image turned counter-clockwise."""
        height, width = image.shape[:2]
        # Pixel centres have whole coordinates, so that the middle of an image of even width lies between two.
        centre = self._centre or ((width - 1) / 2, (height - 1) / 2)
        turn = cv2.getRotationMatrix2D(centre, degrees, 1.0)
        if self._expand:
            cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
            wide, high = (round(width * cosine + height * sine), round(width * sine + height * cosine))
            turn[:, 2] += (wide - width) / 2, (high - height) / 2
            width, height = wide, high
        return np.asarray(
            cv2.warpAffine(
                image, turn, (width, height), flags=self._interpolation,
                borderMode=cv2.BORDER_CONSTANT, borderValue=self._fill,
            )
        )  # fmt: skip


def channels(value: float | Sequence[float]) -> tuple[float, float, float]:
    """One value per channel.

    Raises:
        ValueError: if there are neither one nor three.
    """
    values = (value,) * 3 if isinstance(value, int | float) else tuple(value)
    if len(values) != 3:
        raise ValueError(f"wanted one value or three, got {value!r}")
    return values[0], values[1], values[2]
