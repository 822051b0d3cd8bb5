"""Pictures in the forms that people have them in, as bytes to send."""

import io
import os
from pathlib import Path

from PIL import Image

from kenspeckle.client.errors import UnusablePicture

Picture = str | os.PathLike[str] | bytes | Image.Image
"""A path, an encoded picture, or a Pillow image."""

JPEG_QUALITY = 95


def encoded(picture: Picture) -> bytes:
    """Bytes of a picture file.

    Files and bytes are sent as they are. A Pillow image is encoded as JPEG of high quality, or as PNG where JPEG
    would lose more than detail (transparency, palettes, 16 bits).

    Raises:
        UnusablePicture: if the file cannot be read or the image cannot be encoded.
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Image.Image):
        return _encoded_image(picture)
    try:
        return Path(picture).read_bytes()
    except OSError as error:
        raise UnusablePicture(f"{os.fspath(picture)} cannot be read: {error.strerror or error}") from error


def _encoded_image(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    try:
        if image.mode in ("RGB", "L"):
            image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        else:
            image.save(buffer, "PNG")
    except (OSError, ValueError) as error:
        raise UnusablePicture(f"this image (mode {image.mode}) cannot be encoded: {error}") from error
    return buffer.getvalue()
