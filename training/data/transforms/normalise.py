"""Scaling of values and order of axes: the end of a chain."""

from collections.abc import Sequence

import cv2
import numpy as np

from training.config.scalars import number
from training.data.transforms.base import TRANSFORMS, Pixels

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@TRANSFORMS.register()
class NormalizeImage:
    """``(image * scale - mean) / std`` as float32.

    Args:
        scale: a number, or arithmetic such as "1.0/255.0"; by default 1/255.
        mean: per channel, by default ImageNet's.
        std: per channel, by default ImageNet's.
        order: "chw" for images that are CHW already, "hwc" or "" for HWC.
        output_fp16: only False.
        channel_num: only 3.
    """

    def __init__(
        self,
        scale: float | str | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        order: str = "chw",
        output_fp16: bool = False,
        channel_num: int = 3,
    ) -> None:
        if order not in ("chw", "hwc", ""):
            raise ValueError(f"NormalizeImage: order is chw, hwc or '', got {order!r}")
        if output_fp16 or channel_num != 3:
            raise ValueError("NormalizeImage: only float32 and three channels; half precision is chosen by AMP")
        shape = (3, 1, 1) if order == "chw" else (1, 1, 3)
        self._scale = np.float32(number(scale if scale is not None else 1 / 255))
        self._mean = np.array(IMAGENET_MEAN if mean is None else mean, np.float32).reshape(shape)
        self._std = np.array(IMAGENET_STD if std is None else std, np.float32).reshape(shape)

        self._axis = 0 if order == "chw" else 2
        # A byte has 256 values: looking their results up is much faster than three passes of arithmetic.
        levels = np.arange(256, dtype=np.float32)
        self._table = None if order == "chw" else self._apply(np.stack([levels] * 3, axis=1)[:, None])

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if image.shape[self._axis] != 3:
            raise ValueError(
                f"NormalizeImage: an image of shape {image.shape} is not in the stated order; "
                "write order: '' for HWC, or put ToCHWImage before"
            )
        if image.dtype == np.uint8 and self._table is not None:
            return np.asarray(cv2.LUT(image, self._table))
        return self._apply(image.astype(np.float32))

    def _apply(self, image: Pixels) -> Pixels:
        return (image * self._scale - self._mean) / self._std


@TRANSFORMS.register()
class ToCHWImage:
    """HWC to CHW."""

    channels_first = True

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return image.transpose(2, 0, 1)


@TRANSFORMS.register()
class ToTensor:
    """HWC of 0…255 to CHW float32 of 0…1."""

    channels_first = True

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return image.transpose(2, 0, 1).astype(np.float32) / np.float32(255)


@TRANSFORMS.register()
class Normalize:
    """``(image - mean) / std`` per channel, as float32, on CHW (``data_format``: or HWC)."""

    def __init__(
        self, mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0, data_format: str = "CHW"
    ) -> None:
        if data_format not in ("CHW", "HWC"):
            raise ValueError(f"Normalize: data_format is CHW or HWC, got {data_format!r}")
        shape = (3, 1, 1) if data_format == "CHW" else (1, 1, 3)
        self._mean = np.broadcast_to(np.array(mean, np.float32), 3).reshape(shape)
        self._std = np.broadcast_to(np.array(std, np.float32), 3).reshape(shape)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        return (image.astype(np.float32) - self._mean) / self._std
