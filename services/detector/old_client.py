"""The form of PP-ShiTu's Paddle Serving pipeline, so that its clients work by changing the address.

The old service reads ``{"key": ["image"], "value": ["<base64>"]}`` and answers ``{"err_no", "err_msg", "key", "value",
"tensors"}``, where ``value`` holds one text: a Python list of dictionaries with ``bbox`` (whole pixels), ``rec_docs``
(the label) and ``rec_scores``, of what was recognised alone. Labels there are single words of a list file; here they
may hold anything, quoted as Python quotes it.
"""

import base64
import binascii
from typing import Any

from pydantic import BaseModel, Field

from kenspeckle.types import Recognition
from services.common.errors import Malformed


class OldRequest(BaseModel):
    """Body of the old client. Further fields that it may send are ignored."""

    key: list[str] = Field(min_length=1, max_length=16)
    value: list[str] = Field(min_length=1, max_length=16)


class OldAnswer(BaseModel):
    """Answer of the old service."""

    err_no: int = 0
    err_msg: str = ""
    key: list[str]
    value: list[str]
    tensors: list[Any] = []


def picture_of(request: OldRequest) -> bytes:
    """The encoded picture.

    Raises:
        Malformed: if there is none, or it is no base64.
    """
    values = dict(zip(request.key, request.value, strict=False))
    if "image" not in values:
        raise Malformed("the key 'image' with its value is missing", "key")
    try:
        return base64.b64decode(values["image"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"the value of 'image' is not base64: {error}", "value") from error


def answer_of(recognition: Recognition) -> OldAnswer:
    """The recognised objects in the old form; unknown ones are left out, as the old service does."""
    results = [
        {"bbox": [int(side) for side in one.box], "rec_docs": one.label, "rec_scores": one.similarity}
        for one in recognition.objects
        if one.decision == "known"
    ]
    return OldAnswer(key=["result"], value=[str(results)])
