"""Routes of items and their references."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, File, Form, Header, Query, Response, UploadFile
from pydantic import ValidationError

from kenspeckle.types import Enrolment, Item, ItemPatch, NewItem, Page, Removal
from services.common.problems import from_validation
from services.common.tensors import decode_npy
from services.indexer.api.parameters import (
    CURATE,
    RECOGNIZE,
    Cursor,
    Gallery,
    ItemName,
    Limit,
    ReferenceName,
    binary,
    expected_revision,
    metadata_filters,
)
from services.indexer.galleries import Expected
from services.indexer.service import IndexerService
from services.indexer.store.listing import Filter
from services.indexer.thumbnails import view

# A reference never changes, and neither does its picture.
FOR_EVER = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
LARGEST_VIEW = 2048


def items_router(service: IndexerService) -> APIRouter:
    """Routes under ``/galleries/{gallery}/items`` and ``…/references``."""
    router = APIRouter(tags=["items"])
    galleries, run = service.galleries, service.store.run

    @router.get(
        "/galleries/{gallery}/items",
        dependencies=RECOGNIZE,
        summary="Items in the order of their making",
        description="Besides `label` and `q`: `metadata.<key>=<value>` for top-level scalars of the metadata.",
    )
    async def list_items(
        gallery: Gallery,
        metadata: Annotated[dict[str, str], Depends(metadata_filters)],
        label: Annotated[str | None, Query(max_length=256, description="Exactly this label.")] = None,
        q: Annotated[str | None, Query(max_length=256, description="The label contains this.")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[Item]:
        return await run(galleries.list_items, gallery, Filter(label, q, metadata), limit, cursor)

    @router.post(
        "/galleries/{gallery}/items",
        dependencies=CURATE,
        status_code=201,
        summary="Add an item, or references to one, with embeddings",
    )
    async def enrol_item(
        gallery: Gallery,
        item: Annotated[str, Form(description="NewItem as JSON.")],
        embeddings: Annotated[UploadFile, File(description="float32 (references, dim) as .npy.")],
        picture: Annotated[list[UploadFile], File(description="Pictures in the order of the references.")],
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Enrolment:
        try:
            new = NewItem.model_validate_json(item)
        except ValidationError as error:
            raise from_validation(list(error.errors())) from error
        vectors = decode_npy(await embeddings.read(), np.float32, (len(new.references), None), "embeddings")
        pictures = [await file.read() for file in picture]
        return await service.enrol(gallery, new, vectors, pictures, idempotency_key)

    @router.get("/galleries/{gallery}/items/{item_id}", dependencies=RECOGNIZE, summary="An item")
    async def get_item(gallery: Gallery, item_id: ItemName, response: Response) -> Item:
        return _tagged(await run(galleries.get_item, gallery, item_id), response)

    @router.patch("/galleries/{gallery}/items/{item_id}", dependencies=CURATE, summary="Relabel, or set metadata")
    async def change_item(
        gallery: Gallery,
        item_id: ItemName,
        patch: ItemPatch,
        expected: Annotated[Expected, Depends(expected_revision)],
        response: Response,
    ) -> Item:
        return _tagged(await run(galleries.change_item, gallery, item_id, patch, expected), response)

    @router.delete("/galleries/{gallery}/items/{item_id}", dependencies=CURATE, summary="Delete an item")
    async def delete_item(
        gallery: Gallery, item_id: ItemName, expected: Annotated[Expected, Depends(expected_revision)]
    ) -> Removal:
        return await run(galleries.delete_item, gallery, item_id, expected)

    @router.delete(
        "/galleries/{gallery}/items/{item_id}/references/{reference_id}",
        dependencies=CURATE,
        summary="Delete one reference of an item",
    )
    async def delete_reference(
        gallery: Gallery,
        item_id: ItemName,
        reference_id: ReferenceName,
        expected: Annotated[Expected, Depends(expected_revision)],
    ) -> Removal:
        return await run(galleries.delete_reference, gallery, item_id, reference_id, expected)

    @router.get(
        "/galleries/{gallery}/references/{reference_id}/picture",
        dependencies=RECOGNIZE,
        response_class=Response,
        responses={200: binary("image/*", "as received, or a JPEG")},
        summary="The picture of a reference",
    )
    async def reference_picture(
        gallery: Gallery,
        reference_id: ReferenceName,
        size: Annotated[int | None, Query(ge=16, le=LARGEST_VIEW, description="Longest side in pixels.")] = None,
        crop: Annotated[bool, Query(description="Only the reference's box.")] = False,
    ) -> Response:
        stored = await run(galleries.picture, gallery, reference_id)
        if size is None and not crop:
            return Response(stored.content, media_type=stored.media_type, headers=FOR_EVER)
        content = await run(view, stored, size or LARGEST_VIEW, crop)
        return Response(content, media_type="image/jpeg", headers=FOR_EVER)

    return router


def _tagged(item: Item, response: Response) -> Item:
    response.headers["ETag"] = f'"{item.revision}"'
    return item
