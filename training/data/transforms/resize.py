"""Resizing."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from training.data.transforms.base import TRANSFORMS, Pixels, pair
from training.data.transforms.decode import Backend

CV2_INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
PIL_INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
    "hamming": Image.Resampling.HAMMING,
}
RANDOM_CHOICES = ("bilinear", "bicubic")


class Resizer:
    """Resize by a backend and interpolation; ``random`` chooses bilinear or bicubic each time.

    Pillow filters when it makes smaller, OpenCV does not (area apart), so the same name gives different pixels.
    """

    def __init__(self, interpolation: str | None = None, backend: Backend = "cv2") -> None:
        if backend not in ("cv2", "pil"):
            raise ValueError(f"backend is cv2 or pil, got {backend!r}")
        self._name, self._backend = (interpolation or "bilinear").lower(), backend
        known = [*(CV2_INTERPOLATIONS if backend == "cv2" else PIL_INTERPOLATIONS), "random"]
        if self._name not in known:
            raise ValueError(f"interpolation {interpolation!r} is not one of {', '.join(known)} (backend {backend})")

    def __call__(self, image: Pixels, size: tuple[int, int], rng: np.random.Generator) -> Pixels:
        """``size`` is (width, height)."""
        name = self._name if self._name != "random" else RANDOM_CHOICES[rng.integers(len(RANDOM_CHOICES))]
        if self._backend == "cv2":
            return np.asarray(cv2.resize(image, size, interpolation=CV2_INTERPOLATIONS[name]))
        return np.asarray(to_pil(image).resize(size, PIL_INTERPOLATIONS[name]))


def to_pil(image: Pixels) -> Image.Image:
    """An RGB image of Pillow; float pixels are rounded."""
    if image.dtype != np.uint8:
        image = image.round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(image))


@TRANSFORMS.register()
class ResizeImage:
    """Resize to ``size`` (a number is a square, else [width, height]), or the shorter side to ``resize_short``.

    ``return_numpy`` is taken for old configurations; the result is always an array.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        resize_short: int | None = None,
        interpolation: str | None = None,
        backend: Backend = "cv2",
        return_numpy: bool = True,
    ) -> None:
        if (size is None) == (resize_short is None):
            raise ValueError("ResizeImage: give either size or resize_short")
        self._size = None if size is None else pair(size, "ResizeImage size")
        self._short = resize_short or 0
        self._resize = Resizer(interpolation, backend)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = image.shape[:2]
        if self._size is not None:
            return self._resize(image, self._size, rng)
        scale = self._short / min(width, height)
        return self._resize(image, (round(width * scale), round(height * scale)), rng)


@TRANSFORMS.register()
class RandomInterpolationAugment:
    """With probability ``prob``, make the image a square of 0.2 to 1 of its height, then as large as it was.

    Both by an interpolation at random. Source: Kim et al., "AdaFace", CVPR 2022, section 4.1.
    """

    def __init__(self, prob: float) -> None:
        self._prob = prob

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() >= self._prob:
            return image
        height, width = image.shape[:2]
        side = max(1, int(rng.uniform(0.2, 1.0) * height))
        down, up = rng.choice(list(CV2_INTERPOLATIONS.values()), 2)
        small = cv2.resize(image, (side, side), interpolation=int(down))
        return np.asarray(cv2.resize(small, (width, height), interpolation=int(up)))
