"""What a caller may ask for, as it comes in a query or a form: text, checked here."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kenspeckle.types import Box, GalleryName, ItemId, Label
from services.common.problems import from_validation

MAX_BOXES = 100
LARGEST_REVISION = 2**53


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error


def _words(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class DetectAsked(_Asked):
    """Parameters of ``POST /detect``."""

    max_objects: int = Field(default=20, ge=1, le=MAX_BOXES, description="Most objects, the best first.")


class RecognizeAsked(_Asked):
    """Parameters of ``POST /recognize``."""

    gallery: GalleryName = "default"
    detect: bool = Field(default=True, description="False: only the whole picture, or the given boxes.")
    boxes: Annotated[list[Box], BeforeValidator(_json), Field(min_length=1, max_length=MAX_BOXES)] | None = Field(
        default=None, description="JSON list of [x0, y0, x1, y1]: these instead of the detector's."
    )
    max_objects: int = Field(default=5, ge=1, le=MAX_BOXES, description="Most boxes taken from the detector.")
    top_k: int = Field(default=5, ge=1, le=100, description="Candidates per object.")
    false_accept_rate: float | None = Field(
        default=None, gt=0, lt=1, description="Share of unrelated things that may be accepted; default: the model's."
    )
    min_revision: int | None = Field(
        default=None, ge=0, le=LARGEST_REVISION, description="Wait until this revision is searched."
    )
    include: Annotated[list[Literal["timings", "embeddings"]], BeforeValidator(_words)] = Field(
        default=[], description="timings, embeddings, or both with a comma."
    )


class EnrolAsked(_Asked):
    """Parameters of ``POST /gallery``."""

    gallery: GalleryName = "default"
    label: Label | None = None
    item_id: ItemId | None = None
    negative: bool = False
    box: Annotated[Box, BeforeValidator(_json)] | None = None
    crop: Literal["auto", "whole"] = "auto"
    metadata: Annotated[dict[str, Any], BeforeValidator(_json)] = {}


def read(kind: type[BaseModel], *sources: dict[str, str]) -> Any:
    """Make ``kind`` from query and form fields; later sources win, empty values count as absent.

    Raises:
        Unprocessable: naming the first field at fault.
    """
    merged = {name: value for source in sources for name, value in source.items() if value != ""}
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        raise from_validation(list(error.errors())) from error
