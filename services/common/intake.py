"""From bytes that anybody may send to a picture that the models can work on, or a clear error.

The type is told by content. Sizes are checked from the header, before anything is decoded. Colour profiles are
ignored, for gallery and query alike.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import ExifTags, Image, UnidentifiedImageError

from kenspeckle.crop import Pyramid
from kenspeckle.geometry import Boxes, scale_boxes
from services.common.errors import NotAPicture, ServiceError, TooLarge, Unprocessable

WORKING_LONG, WORKING_SHORT = 1600, 960
# A progressive JPEG of normal make has some ten scans; each one costs a pass over the whole picture.
MAX_JPEG_SCANS = 100
START_OF_SCAN = b"\xff\xda"

# The first box of an ISO media file names its brand: ISO/IEC 23008-12 (HEIF).
FILE_TYPE = b"ftyp"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
NO_HEIC = (
    "this is a HEIC picture, which is not read here; send it as JPEG (on an iPhone: Settings, Camera, Formats,"
    " Most Compatible)"
)

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        pyramid: upright RGB; smaller than the picture where the photo is very large.
        width, height: of the upright, full-size picture; boxes are in its pixels.
        sha256: of the bytes as received, hex.
        media_type: by content.
    """

    pyramid: Pyramid
    width: int
    height: int
    sha256: str
    media_type: str

    @property
    def image(self) -> Image.Image:
        """The pixels, without their halves."""
        return self.pyramid.image

    def to_image(self, boxes: ArrayLike) -> Boxes:
        """Boxes of the full-size picture in pixels of ``image``."""
        return scale_boxes(boxes, self.image.width / self.width, self.image.height / self.height)


def decode_picture(data: bytes, max_pixels: int) -> Picture:
    """Decode an encoded picture; of an animation, the first frame. Blocking: run it in a worker thread.

    JPEG photos are decoded at 1/2, 1/4 or 1/8 size where at least 1600 x 960 pixels remain (libjpeg scales in the
    DCT domain, which is cheaper and antialiased).

    Args:
        data: the file's content.
        max_pixels: limit of width x height by the header.

    Raises:
        NotAPicture: content of another type.
        TooLarge: more pixels than ``max_pixels``.
        Unprocessable: an empty, truncated or broken file, or pixels of a kind that cannot be shown.
    """
    image = _open(data)
    width, height = image.size
    if width < 1 or height < 1:
        raise Unprocessable("the picture has no pixels", "image")
    if width * height > max_pixels:
        raise TooLarge(f"the picture has {width} x {height} pixels; at most {max_pixels} are read", "image")
    # Pillow calls a JPEG with further pictures behind the first one MPO.
    kind = "JPEG" if image.format == "MPO" else image.format or ""
    try:
        if kind == "JPEG":
            _check_scans(data)
            image.draft(image.mode, _working_size(width, height))
        image.load()
        turn = UPRIGHT.get(_orientation(image))
        rgb = _to_rgb(image)
        upright = rgb if turn is None else rgb.transpose(turn)
    except ServiceError:
        raise
    except Exception as error:
        raise Unprocessable(f"the picture is broken or cut off: {error}", "image") from error
    if kind != "JPEG":
        width, height = upright.size
    elif turn is not None and turn.name in ("TRANSPOSE", "TRANSVERSE", "ROTATE_90", "ROTATE_270"):
        width, height = height, width
    return Picture(Pyramid(upright), width, height, hashlib.sha256(data).hexdigest(), MEDIA_TYPES[kind])


def _open(data: bytes) -> Image.Image:
    if not data:
        raise Unprocessable("the picture is empty: no bytes were sent", "image")
    Image.init()
    formats = [name for name in MEDIA_TYPES if name in Image.OPEN]
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge("the picture has far too many pixels", "image") from error
    except UnidentifiedImageError as error:
        if data[4:8] == FILE_TYPE and data[8:12] in HEIC_BRANDS:
            raise NotAPicture(NO_HEIC, "image") from error
        raise NotAPicture(f"the content is none of {', '.join(formats)}", "image") from error
    except Exception as error:
        raise Unprocessable(f"the picture's header is broken: {error}", "image") from error


def _check_scans(data: bytes) -> None:
    if data.count(START_OF_SCAN) > MAX_JPEG_SCANS:
        raise Unprocessable(f"the JPEG has more than {MAX_JPEG_SCANS} scans", "image")


def _working_size(width: int, height: int) -> tuple[int, int]:
    for divisor in (8, 4, 2):
        size = width // divisor, height // divisor
        if max(size) >= WORKING_LONG and min(size) >= WORKING_SHORT:
            return size
    return width, height


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata is no reason to refuse the pixels
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """RGB with alpha over white; 16-bit grey by its upper byte."""
    if image.mode.startswith("I"):
        grey: np.ndarray[Any, Any] = np.asarray(image).clip(0, 0xFFFF)
        return Image.fromarray((grey >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("F", "LAB", "HSV"):
        raise Unprocessable(f"pictures with {image.mode} pixels are not read; send 8-bit RGB", "image")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        flat = Image.new("RGB", image.size, "white")
        flat.paste(layered, mask=layered.getchannel("A"))
        return flat
    return image if image.mode == "RGB" else image.convert("RGB")
