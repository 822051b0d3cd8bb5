"""Routes of galleries: list, make, change, delete; search; archives; re-embedding."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from kenspeckle.types import Gallery, GalleryPatch, Job, NewGallery, Page, Removal, SearchAnswer, Strict
from services.common.errors import Malformed, NotReady, TooLarge
from services.common.problems import from_validation
from services.common.tensors import MEDIA_TYPE as NPY
from services.common.tensors import decode_npy
from services.indexer.api.parameters import ADMIN, CURATE, RECOGNIZE, Cursor, Limit, binary, metadata_filters
from services.indexer.api.parameters import Gallery as Name
from services.indexer.service import IndexerService
from services.indexer.store.listing import Filter

TAR = "application/x-tar"
WRITTEN_AT_ONCE = 4 * 1024 * 1024


class Embeddings(Strict):
    """JSON body of a search."""

    embeddings: list[list[float]] = Field(min_length=1)


SEARCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            **binary(NPY, "float32 (Q, dim), unit length")["content"],
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["embeddings"],
                    "properties": {
                        "embeddings": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
                    },
                }
            },
        },
    }
}


def galleries_router(service: IndexerService, max_import_bytes: int) -> APIRouter:
    """Routes under ``/galleries`` that are about a gallery as a whole."""
    router = APIRouter(tags=["galleries"])
    galleries, run = service.galleries, service.store.run

    @router.get("/galleries", dependencies=RECOGNIZE, summary="Galleries by name")
    async def list_galleries(limit: Limit = 100, cursor: Cursor = None) -> Page[Gallery]:
        return await run(galleries.list, limit, cursor)

    @router.post("/galleries", dependencies=CURATE, status_code=201, summary="Make an empty gallery")
    async def create_gallery(new: NewGallery) -> Gallery:
        return await run(galleries.create, new)

    @router.get("/galleries/{gallery}", dependencies=RECOGNIZE, summary="A gallery's counts, revision, fingerprint")
    async def get_gallery(gallery: Name) -> Gallery:
        return await run(galleries.get, gallery)

    @router.patch("/galleries/{gallery}", dependencies=CURATE, summary="Change a gallery")
    async def change_gallery(gallery: Name, patch: GalleryPatch) -> Gallery:
        return await run(galleries.change, gallery, patch)

    @router.delete("/galleries/{gallery}", dependencies=ADMIN, summary="Delete a gallery with everything in it")
    async def delete_gallery(gallery: Name) -> Removal:
        return await run(galleries.delete, gallery)

    @router.post(
        "/galleries/{gallery}/search",
        dependencies=RECOGNIZE,
        openapi_extra=SEARCH_BODY,
        summary="Nearest items of embeddings",
        description="Besides `label`: `metadata.<key>=<value>`, as in the list of items; p is that of all of them.",
    )
    async def search(
        request: Request,
        gallery: Name,
        fingerprint: Annotated[str, Query(max_length=128, description="Of the model that made the embeddings.")],
        metadata: Annotated[dict[str, str], Depends(metadata_filters)],
        label: Annotated[str | None, Query(max_length=256, description="Only items with exactly this label.")] = None,
        k: Annotated[int, Query(ge=1, le=1000, description="Items per embedding.")] = 5,
        min_revision: Annotated[
            int | None, Query(ge=0, lt=2**62, description="Wait until this revision is searched.")
        ] = None,
    ) -> SearchAnswer:
        embeddings = _embeddings(request.headers.get("content-type", ""), await request.body())
        wanted = Filter(label, metadata=metadata) if label is not None or metadata else None
        return await service.search(gallery, fingerprint, embeddings, k, min_revision, wanted)

    @router.get(
        "/galleries/{gallery}/export",
        dependencies=CURATE,
        response_class=StreamingResponse,
        responses={200: binary(TAR, "gallery.json, pictures, items, embeddings")},
        summary="The whole gallery as one .tar",
    )
    async def export_gallery(gallery: Name) -> StreamingResponse:
        pieces: Iterator[bytes] = await run(service.exporter.export, gallery)
        headers = {"Content-Disposition": f'attachment; filename="{gallery}.tar"'}
        return StreamingResponse(pieces, media_type=TAR, headers=headers)

    @router.post(
        "/galleries/{gallery}/import",
        dependencies=ADMIN,
        status_code=201,
        openapi_extra={"requestBody": {"required": True, **binary(TAR, "what an export gave")}},
        summary="Make a gallery of an export",
    )
    async def import_gallery(request: Request, gallery: Name) -> Gallery:
        async with service.scratch_file() as path:
            await _receive(service, request.stream(), path, max_import_bytes)
            return await run(service.importer.import_archive, gallery, path)

    @router.post(
        "/galleries/{gallery}/reembed",
        dependencies=ADMIN,
        status_code=202,
        summary="Make all embeddings anew with the model that the extractor serves",
    )
    async def reembed_gallery(gallery: Name) -> Job:
        return await service.jobs.find(await service.reembed(gallery))

    return router


def _embeddings(content_type: str, body: bytes) -> NDArray[np.float32]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == NPY:
        array: NDArray[np.float32] = decode_npy(body, np.float32, (None, None))
        return array
    if kind != "application/json":
        raise Malformed(f"send embeddings as {NPY} or as application/json")
    try:
        rows = Embeddings.model_validate_json(body).embeddings
    except ValidationError as error:
        raise from_validation(list(error.errors())) from error
    if len({len(row) for row in rows}) != 1:
        raise Malformed("all embeddings must have the same length", "embeddings")
    return np.array(rows, np.float32)


async def _receive(service: IndexerService, stream: AsyncIterator[bytes], path: Path, limit: int) -> None:
    """Write a body to a file in large pieces."""
    pieces: list[bytes] = []
    waiting = received = 0
    async for piece in stream:
        pieces.append(piece)
        waiting += len(piece)
        received += len(piece)
        if received > limit:
            raise TooLarge(f"an archive may have at most {limit} bytes")
        if waiting >= WRITTEN_AT_ONCE:
            await service.store.run(_append, path, pieces)
            pieces, waiting = [], 0
    await service.store.run(_append, path, pieces)


def _append(path: Path, pieces: list[bytes]) -> None:
    try:
        with path.open("ab") as file:
            file.writelines(pieces)
    except OSError as error:
        raise NotReady(f"the archive cannot be stored: {error.strerror or error}", retry_after=10) from error
