"""Reading request bodies: a picture alone, or a form with pictures and fields."""

import asyncio
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile

from services.common.errors import DeadlineExceeded, Malformed, Unprocessable

MAX_FIELDS = 32
MAX_FIELD_BYTES = 256 * 1024
FORM = "multipart/form-data"


@dataclass(frozen=True)
class Body:
    """What came: the pictures, and the other fields of the form."""

    pictures: list[bytes]
    fields: dict[str, str]

    def only_picture(self) -> bytes:
        """The one picture.

        Raises:
            Unprocessable: if there is none, or several.
        """
        if len(self.pictures) != 1:
            many = "no picture was sent" if not self.pictures else f"{len(self.pictures)} pictures were sent"
            raise Unprocessable(f"{many}; send one as the field 'image' or as the body", "image")
        return self.pictures[0]


async def read_body(request: Request, max_pictures: int, seconds: float) -> Body:
    """Read the whole body.

    Raises:
        Malformed: a broken form. TooLarge: over the body limit. DeadlineExceeded: it did not arrive in time.
    """
    try:
        async with asyncio.timeout(seconds):
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
                return await _read_form(request, max_pictures)
            data = await request.body()
            return Body([data] if data else [], {})
    except TimeoutError as error:
        raise DeadlineExceeded(f"the body did not arrive within {seconds:g} seconds") from error


async def _read_form(request: Request, max_pictures: int) -> Body:
    pictures: list[bytes] = []
    fields: dict[str, str] = {}
    async with request.form(max_files=max_pictures + 1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name != "image":
                    raise Unprocessable(f"there is no file field {name!r}; send pictures as 'image'", "image")
                pictures.append(await value.read())
            elif name in fields:
                raise Malformed(f"the field {name!r} was sent twice", name)
            else:
                fields[name] = value
    return Body(pictures, fields)
