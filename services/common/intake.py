"""Picture intake: from bytes that anybody may send to an upright RGB picture, or a clear error."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from kenspeckle.geometry import Boxes, scale_boxes
from services.common.errors import NotAPicture, TooLarge, Unprocessable

FORMATS: Final = tuple(
    name
    for name, needs in (
        ("JPEG", None),
        ("PNG", None),
        ("WEBP", "webp"),
        ("GIF", None),
        ("BMP", None),
        ("TIFF", None),
        ("AVIF", "avif"),
    )
    if needs is None or features.check(needs)
)
MIN_SIDE_PX = 2
ORIENTATION_TAG = 0x0112
TURNED = {5, 6, 7, 8}  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: upright RGB; may be smaller than the picture (see ``scale``).
        width, height: of the upright picture in full size, in pixels; boxes are in these.
        sha256: of the bytes as received.
        media_type: by content.
    """

    image: Image.Image
    width: int
    height: int
    sha256: str
    media_type: str

    def to_image(self, boxes: Boxes) -> Boxes:
        """Boxes of the full-size picture in pixels of ``image``."""
        return scale_boxes(boxes, self.image.width / self.width, self.image.height / self.height)


def decode_picture(data: bytes, max_pixels: int, min_side_px: int) -> Picture:
    """Decode a picture that came from outside. Blocking: run it in a worker thread.

    A JPEG whose shorter side is more than twice ``min_side_px`` is decoded at a fraction of its size (DCT scaling) that
    leaves at least that many pixels; boxes stay in full-size pixels.

    Args:
        data: the file. Its type is found by content, its name and declared type mean nothing.
        max_pixels: limit of width x height, checked before anything is decoded.
        min_side_px: pixels that the shorter side must keep.

    Raises:
        NotAPicture: no type that is read here.
        TooLarge: more than ``max_pixels``.
        Unprocessable: broken, truncated or empty.
    """
    opened = _open(data)
    width, height = opened.size
    if width * height > max_pixels:
        raise TooLarge(f"the picture has {width} x {height} pixels; at most {max_pixels} are read", "image")
    media_type = Image.MIME.get(opened.format or "", "application/octet-stream")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            turned = opened.getexif().get(ORIENTATION_TAG) in TURNED
            if opened.format == "JPEG":
                _draft(opened, min_side_px)
            opened.load()
            image = _to_rgb(ImageOps.exif_transpose(opened))
    except (TooLarge, MemoryError):
        raise
    except Exception as error:
        raise Unprocessable(f"the picture is broken or cut short: {error}", "image") from error
    full = (height, width) if turned else (width, height)
    if min(full) < MIN_SIDE_PX:
        raise Unprocessable(f"the picture is only {full[0]} x {full[1]} pixels", "image")
    return Picture(image, *full, hashlib.sha256(data).hexdigest(), media_type)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise Unprocessable("the picture is empty: no bytes were sent", "image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # limits of our own apply
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise TooLarge(f"the picture has too many pixels: {error}", "image") from error
    except UnidentifiedImageError as error:
        raise NotAPicture(f"this is none of {', '.join(FORMATS)}", "image") from error
    except Exception as error:
        raise Unprocessable(f"the picture's header is broken: {error}", "image") from error


def _draft(opened: Image.Image, min_side_px: int) -> None:
    """Let the JPEG decoder shrink by 2, 4 or 8 while the shorter side keeps ``min_side_px``."""
    factor = next((f for f in (8, 4, 2) if min(opened.size) >= f * min_side_px), 1)
    if factor > 1:
        opened.draft(None, (opened.width // factor, opened.height // factor))


def _to_rgb(image: Image.Image) -> Image.Image:
    """RGB: alpha over white, 16-bit scaled down, palettes resolved."""
    if image.mode == "RGB":
        return image
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        return _from_deep(np.asarray(image))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep(values: NDArray[np.generic]) -> Image.Image:
    """A grey picture of more than 8 bits: 16-bit range to 8 bits; floats in 0..1 or 0..255 as they come."""
    numbers = np.nan_to_num(values.astype(np.float32))
    top = 65535.0 if values.dtype.kind != "f" else 1.0 if float(numbers.max(initial=0)) <= 1 else 255.0
    grey = (numbers.clip(0, top) * (255 / top)).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
