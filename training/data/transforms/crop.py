"""Cutting out."""

import math
from collections.abc import Sequence

import numpy as np

from training.data.transforms.base import TRANSFORMS, Pixels, pair
from training.data.transforms.decode import Backend
from training.data.transforms.geometry import Pad
from training.data.transforms.resize import Resizer

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)


def centre_crop(image: Pixels, width: int, height: int, who: str) -> Pixels:
    """The middle of an image; of an odd excess the larger half is left over at the end.

    Raises:
        ValueError: if the image is smaller.
    """
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    if top < 0 or left < 0:
        raise ValueError(
            f"{who}: an image of {image.shape[1]} x {image.shape[0]} has no crop of {width} x {height}; resize before"
        )
    return image[top : top + height, left : left + width]


@TRANSFORMS.register()
class CropImage:
    """Centre crop to ``size`` (a number, or [width, height])."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self._size = pair(size, "CropImage size")

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return centre_crop(image, *self._size, "CropImage")


@TRANSFORMS.register()
class RandCropImage:
    """A random part of the image, resized to ``size``.

    The part's share of the area is uniform in ``scale``, its width by height uniform in ``ratio`` (``use_log_aspect``:
    uniform in logarithm, so that wide and high are alike). Where a part of that share does not fit, the share is
    drawn from what fits.

    Args:
        size: a number (square), or [width, height].
        scale: least and largest share of the area.
        ratio: least and largest width by height.
        interpolation: see ResizeImage.
        use_log_aspect: see above.
        backend: see ResizeImage.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] | None = None,
        ratio: Sequence[float] | None = None,
        interpolation: str | None = None,
        use_log_aspect: bool = False,
        backend: Backend = "cv2",
    ) -> None:
        self._size = pair(size, "RandCropImage size")
        (self._least, self._largest), self._ratio = scale or AREA, tuple(ratio or RATIO)
        self._log = use_log_aspect
        self._resize = Resizer(interpolation, backend)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = image.shape[:2]
        low, high = self._ratio
        ratio = math.exp(rng.uniform(math.log(low), math.log(high))) if self._log else rng.uniform(low, high)
        fits = min(width / height / ratio, height / width * ratio)
        side = math.sqrt(width * height * rng.uniform(min(self._least, fits), min(self._largest, fits)))
        across = min(width, max(1, int(side * math.sqrt(ratio))))
        down = min(height, max(1, int(side / math.sqrt(ratio))))
        left, top = rng.integers(0, width - across + 1), rng.integers(0, height - down + 1)
        return self._resize(image[top : top + down, left : left + across], self._size, rng)


@TRANSFORMS.register("RandCropImageV2", "RandomCrop")
class RandCropImageV2:
    """A random crop of ``size`` (a number, or [width, height]) without resizing.

    Unlike its namesake it never gives a crop that is one pixel short. An image that is too small is an error.
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self._size = pair(size, "RandCropImageV2 size")

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        width, height = self._size
        if image.shape[0] < height or image.shape[1] < width:
            raise ValueError(
                f"RandCropImageV2: an image of {image.shape[1]} x {image.shape[0]} has no crop of {width} x {height}; "
                "resize or pad it before"
            )
        left, top = rng.integers(0, image.shape[1] - width + 1), rng.integers(0, image.shape[0] - height + 1)
        return image[top : top + height, left : left + width]


@TRANSFORMS.register()
class RandomResizedCrop:
    """As of the frameworks: ten tries of a share uniform in ``scale``, a ratio uniform in logarithm, else the middle.

    Args:
        size: a number (square), or [height, width].
        scale: least and largest share of the area.
        ratio: least and largest width by height.
        interpolation: see ResizeImage; "cubic" is bicubic.
        backend: see ResizeImage.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = AREA,
        ratio: Sequence[float] = RATIO,
        interpolation: str = "bilinear",
        backend: Backend = "pil",
    ) -> None:
        self._height, self._width = pair(size, "RandomResizedCrop size")
        (self._least, self._largest), (self._low, self._high) = scale, ratio
        self._resize = Resizer("bicubic" if interpolation == "cubic" else interpolation, backend)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = image.shape[:2]
        for _ in range(10):
            area = height * width * rng.uniform(self._least, self._largest)
            ratio = math.exp(rng.uniform(math.log(self._low), math.log(self._high)))
            across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < across <= width and 0 < down <= height:
                top, left = rng.integers(0, height - down + 1), rng.integers(0, width - across + 1)
                part = image[top : top + down, left : left + across]
                return self._resize(part, (self._width, self._height), rng)
        ratio = min(max(width / height, self._low), self._high)
        across, down = min(width, round(height * ratio)), min(height, round(width / ratio))
        middle = centre_crop(image, across, down, "RandomResizedCrop")
        return self._resize(middle, (self._width, self._height), rng)


@TRANSFORMS.register()
class Resize:
    """As of the frameworks: a number is the new shorter side, [height, width] the new size."""

    def __init__(self, size: int | Sequence[int], interpolation: str = "bilinear", backend: Backend = "pil") -> None:
        self._size = size if isinstance(size, int) else pair(size, "Resize size")
        self._resize = Resizer("bicubic" if interpolation == "cubic" else interpolation, backend)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if not isinstance(self._size, int):
            return self._resize(image, (self._size[1], self._size[0]), rng)
        height, width = image.shape[:2]
        scale = self._size / min(height, width)
        return self._resize(image, (int(width * scale), int(height * scale)), rng)


@TRANSFORMS.register()
class CenterCrop:
    """As of the frameworks: the middle of ``size`` (a number, or [height, width])."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self._height, self._width = pair(size, "CenterCrop size")

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return centre_crop(image, self._width, self._height, "CenterCrop")


@TRANSFORMS.register()
class CropWithPadding:
    """With probability ``prob``, a border of ``padding_num`` black pixels and a crop without resizing.

    Else RandCropImage with the other parameters.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        prob: float = 0.2,
        padding_num: int = 0,
        scale: Sequence[float] | None = None,
        ratio: Sequence[float] | None = None,
        interpolation: str | None = None,
        use_log_aspect: bool = False,
        backend: Backend = "cv2",
    ) -> None:
        self._prob, self._pad = prob, Pad(padding_num)
        self._crop = RandCropImageV2(size)
        self._resized = RandCropImage(size, scale, ratio, interpolation, use_log_aspect, backend)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() < self._prob:
            return self._crop(self._pad(image, rng), rng)
        return self._resized(image, rng)
