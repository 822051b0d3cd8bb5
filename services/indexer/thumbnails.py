"""Small views of stored pictures."""

import io

from PIL import Image

from kenspeckle.geometry import as_boxes, clip_boxes
from services.common.intake import decode_picture
from services.indexer.galleries import StoredPicture

MAX_PIXELS = 50_000_000
QUALITY = 85


def view(picture: StoredPicture, size: int, crop: bool) -> bytes:
    """A JPEG of a stored picture, upright.

    Args:
        size: longest side in pixels; nothing is enlarged.
        crop: only the reference's box.

    Raises:
        ServiceError: if the picture cannot be decoded.
    """
    decoded = decode_picture(picture.content, MAX_PIXELS)
    image = decoded.image
    if crop:
        box = clip_boxes(decoded.to_image(as_boxes([picture.reference.box])), image.width, image.height)[0]
        x0, y0, x1, y1 = (round(float(value)) for value in box)
        x0, y0 = min(x0, image.width - 1), min(y0, image.height - 1)
        image = image.crop((x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
