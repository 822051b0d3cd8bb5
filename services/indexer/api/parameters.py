"""Parameters that several routes share."""

import re
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request

from kenspeckle.types import GalleryName
from services.common.errors import Malformed
from services.common.keys import RequireRole
from services.indexer.galleries import Expected

ETAG = re.compile(r'"(\d{1,18})"')
METADATA = "metadata."
MAX_FILTERS = 16

Gallery = Annotated[GalleryName, Path(description="Name of the gallery.")]
ItemName = Annotated[str, Path(max_length=128, description="Id of the item.")]
ReferenceName = Annotated[str, Path(max_length=36, description="Id of the reference.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Entries of a page.")]
Cursor = Annotated[str | None, Query(max_length=512, description="next_cursor of the page before.")]

RECOGNIZE = [Depends(RequireRole("recognize"))]
CURATE = [Depends(RequireRole("curate"))]
ADMIN = [Depends(RequireRole("admin"))]


def binary(media_type: str, what: str) -> dict[str, Any]:
    """OpenAPI of a body of raw bytes."""
    schema = {"type": "string", "format": "binary", "description": what}
    return {"content": {media_type: {"schema": schema}}}


def expected_revision(if_match: Annotated[str | None, Header()] = None) -> Expected:
    """What If-Match says of the revision of the item's last change; without it every revision is good.

    Raises:
        Malformed: if it is no list of ETags.
    """
    if if_match is None or if_match.strip() == "*":
        return lambda _: True
    parts = [ETAG.fullmatch(part.strip()) for part in if_match.split(",")]
    if None in parts:
        raise Malformed('If-Match is an item\'s ETag, like "42"', "If-Match")
    revisions = {int(part[1]) for part in parts if part is not None}
    return lambda revision: revision in revisions


def metadata_filters(request: Request) -> dict[str, str]:
    """Query parameters of the form ``metadata.<key>=<value>``.

    Raises:
        Malformed: if there are too many.
    """
    found = {
        name.removeprefix(METADATA): value
        for name, value in request.query_params.multi_items()
        if name.startswith(METADATA)
    }
    if len(found) > MAX_FILTERS:
        raise Malformed(f"at most {MAX_FILTERS} metadata filters", METADATA)
    return found
