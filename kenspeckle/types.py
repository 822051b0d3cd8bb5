"""Wire types of the HTTP API, shared by services and clients. See docs/api.md."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints

from kenspeckle.crop import CropRule, Interpolation
from kenspeckle.decision import Calibrator, Verdict

T = TypeVar("T")

Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
Role = Literal["recognize", "curate", "admin"]
Source = Literal["detector", "given", "whole"]


def _printable(text: str) -> str:
    text = unicodedata.normalize("NFC", text).strip()
    if not text:
        raise ValueError("must not be blank")
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        raise ValueError("must not hold control characters or line breaks")
    return text


GalleryName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
ItemId = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^/\x00-\x1f]+$"), AfterValidator(_printable)
]
Label = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_printable)]


class Wire(BaseModel):
    """Base of everything on the wire."""

    model_config = ConfigDict(extra="ignore")


class Strict(BaseModel):
    """Base of request bodies: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class Problem(Wire):
    """``application/problem+json`` (RFC 9457)."""

    type: str = Field(description="urn:kenspeckle:problem:<slug>")
    title: str
    status: int
    detail: str = ""
    field: str | None = Field(default=None, description="The field at fault.")
    request_id: str = ""


# --- recognition -------------------------------------------------------------------------------------------


class Candidate(Wire):
    """An item that may be the object, with its most similar reference."""

    item_id: str
    label: str | None = Field(description="Null for a negative.")
    similarity: float
    reference_id: str


class RecognizedObject(Wire):
    """One object of a picture and what it is."""

    box: Box
    source: Source
    detection_score: float | None
    decision: Verdict
    label: str | None
    item_id: str | None
    probability: float
    similarity: float | None
    margin: float | None
    p_value: float | None
    reason: str
    candidates: list[Candidate]
    embedding: list[float] | None = None


class ImageInfo(Wire):
    """The picture as received, upright."""

    width: int
    height: int
    sha256: str


class GalleryState(Wire):
    """A gallery's name and the revision that was searched."""

    name: str
    revision: int


class Models(Wire):
    """Fingerprints of the models that made an answer."""

    detector: str | None
    extractor: str


class Recognition(Wire):
    """Answer of ``POST /recognize``."""

    image: ImageInfo
    objects: list[RecognizedObject]
    gallery: GalleryState
    models: Models
    request_id: str
    timings_ms: dict[str, float] | None = None


class DetectedObject(Wire):
    """A box that the detector found."""

    box: Box
    score: float


class Detection(Wire):
    """Answer of ``POST /detect``."""

    image: ImageInfo
    objects: list[DetectedObject]
    models: dict[str, str]
    request_id: str


# --- gallery -----------------------------------------------------------------------------------------------


class Warning(Wire):  # noqa: A001 - the word of the API
    """Something to look at about a reference that was added all the same."""

    code: Literal["looks_like", "duplicate", "poor"]
    message: str
    reference: int = Field(description="Index of the picture in the request.")
    label: str | None = None
    similarity: float | None = None


class ReferenceInfo(Wire):
    """One picture and box of an item."""

    id: str
    box: Box
    source: Source
    picture_sha256: str | None = None
    created_at: datetime | None = None


class Enrolment(Wire):
    """Answer of ``POST /gallery`` and of ``POST /galleries/{g}/items``."""

    gallery: str
    item_id: str
    label: str | None
    negative: bool = False
    created: bool = Field(description="False if references were added to an existing item.")
    references: list[ReferenceInfo]
    revision: int
    warnings: list[Warning] = []


class NewReference(Strict):
    """One reference of an enrolment request, in the order of embeddings and pictures."""

    box: Box
    source: Source
    media_type: str = Field(max_length=64)


class NewItem(Strict):
    """The JSON part of ``POST /galleries/{g}/items``."""

    item_id: ItemId | None = None
    label: Label | None = None
    negative: bool = False
    metadata: dict[str, Any] = {}
    fingerprint: str
    references: list[NewReference] = Field(min_length=1, max_length=256)


class Item(Wire):
    """A thing in a gallery."""

    id: str
    label: str | None
    negative: bool = False
    metadata: dict[str, Any] = {}
    references: list[ReferenceInfo]
    revision: int = Field(description="Revision of the item's last change; its ETag.")
    created_at: datetime


class ItemPatch(Strict):
    """Fields of an item that may change; what is absent stays."""

    label: Label | None = None
    metadata: dict[str, Any] | None = None


class Gallery(Wire):
    """A named set of items."""

    name: str
    revision: int
    fingerprint: str | None = Field(description="Of the embeddings searched; null until the first reference.")
    items: int
    references: int
    labels: int
    keep_pictures: bool
    description: str = ""
    created_at: datetime


class NewGallery(Strict):
    """Body of ``POST /galleries``."""

    name: GalleryName
    description: str = Field(default="", max_length=1000)
    keep_pictures: bool = True


class GalleryPatch(Strict):
    """Fields of a gallery that may change; what is absent stays."""

    description: str | None = Field(default=None, max_length=1000)
    keep_pictures: bool | None = None


class Page(Wire, Generic[T]):
    """One page of a list; ``next_cursor`` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


class Removal(Wire):
    """Answer of a delete: the revision from which on the thing is gone."""

    revision: int


class SearchHit(Wire):
    """What the index says of one query embedding."""

    candidates: list[Candidate] = Field(description="Best reference of each of the nearest items, best first.")
    other_label: str | None = Field(description="Nearest label other than the best one's.")
    other_similarity: float | None
    p_value: float | None = Field(description="Null for an empty gallery.")


class SearchAnswer(Wire):
    """Answer of ``POST /galleries/{g}/search``."""

    gallery: GalleryState
    cohort_size: int
    hits: list[SearchHit]


# --- operations --------------------------------------------------------------------------------------------


class Job(Wire):
    """A long task of the indexer."""

    id: str
    kind: str
    gallery: str | None
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    done: int = 0
    total: int | None = None
    message: str = ""
    created_at: datetime
    updated_at: datetime


class KeyInfo(Wire):
    """An API key without its secret."""

    id: str
    name: str
    role: Role
    created_at: datetime


class NewKey(Strict):
    """Body of ``POST /keys``."""

    name: str = Field(min_length=1, max_length=128)
    role: Role


class CreatedKey(KeyInfo):
    """Answer of ``POST /keys``: the only time the secret is shown."""

    key: str


class OwnRole(Wire):
    """Answer of ``GET /keys/self``."""

    role: Role


class ModelInfo(Wire):
    """What a service says of a model that it runs."""

    name: str
    version: str
    kind: Literal["extractor", "detector"]
    fingerprint: str
    width: int
    height: int
    interpolation: Interpolation
    dim: int | None = None
    crop: CropRule | None = None
    calibrator: Calibrator | None = None
    cohort_size: int | None = None
    false_accept_rate: float | None = None
    licence: str


class HealthDetail(Wire):
    """Answer of ``/readyz``: one line per thing that has to be in order."""

    ready: bool
    checks: dict[str, str] = Field(description="'ok', or what is wrong and what to do.")
    fingerprints: list[str] = Field(default=[], description="Of the embeddings that an indexer can search.")
