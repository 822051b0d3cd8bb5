"""Encoded picture to upright RGB pixels."""

from io import BytesIO
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from training.data.transforms.base import TRANSFORMS

Backend = Literal["cv2", "pil"]


class Undecodable(ValueError):
    """Bytes that no decoder makes a picture of."""


@TRANSFORMS.register()
class DecodeImage:
    """Decode a file's bytes. Only the first of a chain; a chain without one decodes by the defaults.

    The EXIF orientation is applied with both backends. What OpenCV cannot read is given to Pillow.

    Args:
        to_rgb: channels in the order red, green, blue; else reversed.
        channel_first: only False; ToCHWImage at the end of a chain gives CHW.
        backend: cv2 or pil: they differ by one or two grey levels in JPEGs.
        to_np: taken for old configurations; the result is always an array.
    """

    def __init__(
        self, to_rgb: bool = True, channel_first: bool = False, backend: Backend = "cv2", to_np: bool = True
    ) -> None:
        if backend not in ("cv2", "pil"):
            raise ValueError(f"DecodeImage: backend is cv2 or pil, got {backend!r}")
        self._to_rgb, self._backend = to_rgb, backend
        if channel_first:
            raise ValueError("DecodeImage: channel_first is not supported, put ToCHWImage at the end of the chain")

    def __call__(self, content: bytes, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Pixels ``(H, W, 3) uint8``.

        Raises:
            Undecodable: if it is no picture, or is cut off.
        """
        pixels = _decode_cv2(content) if self._backend == "cv2" else None
        pixels = _decode_pil(content) if pixels is None else pixels
        return pixels if self._to_rgb else np.ascontiguousarray(pixels[:, :, ::-1])


def _decode_cv2(content: bytes) -> NDArray[np.uint8] | None:
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, np.uint8)


def _decode_pil(content: bytes) -> NDArray[np.uint8]:
    try:
        with Image.open(BytesIO(content)) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Undecodable(str(error)) from error
