"""HTTP of the extractor: /embed, /models and the Open Inference Protocol."""

import json
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import UploadFile

from kenspeckle.types import Box, ModelInfo
from services.common.disconnect import while_connected
from services.common.errors import Malformed, Unprocessable
from services.common.keys import RequireRole
from services.common.metrics import Metrics
from services.common.tensors import MEDIA_TYPE as NPY
from services.common.tensors import decode_npy, encode_npy
from services.extractor.extraction import Extraction

FINGERPRINT_HEADER = "Kenspeckle-Fingerprint"
BOXES: TypeAdapter[list[Box]] = TypeAdapter(list[Box])

EMBED_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            NPY: {"schema": {"type": "string", "format": "binary", "description": "uint8 (N, height, width, 3)"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image", "boxes"],
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        "boxes": {"type": "string", "description": "JSON list of [x0, y0, x1, y1]"},
                    },
                }
            },
        },
    }
}
EMBED_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            NPY: {"schema": {"type": "string", "format": "binary", "description": "float32 (N, dim)"}},
            "application/json": {"schema": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}},
        }
    }
}


def embed_router(extraction: Extraction, metrics: Metrics) -> APIRouter:
    """Routes of the extractor's own API."""
    router = APIRouter(tags=["embed"], dependencies=[Depends(RequireRole("admin"))])

    @router.post(
        "/embed",
        summary="Embed crops, or boxes of a picture",
        response_class=Response,
        openapi_extra=EMBED_BODY,
        responses=EMBED_ANSWER,
    )
    async def embed(request: Request, model: Annotated[str | None, "a model's name"] = None) -> Response:
        info = await extraction.info(model)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == NPY:
            crops = decode_npy(await request.body(), np.uint8, (None, info.height, info.width, 3))
            work = extraction.embed(crops, model)
        elif kind == "multipart/form-data":
            picture, boxes = await _picture_and_boxes(request)
            work = extraction.embed_picture(picture, boxes, model)
        else:
            raise Malformed(f"send crops as {NPY}, or image and boxes as multipart/form-data")
        vectors = await while_connected(request, work)
        metrics.event("embeddings", len(vectors))
        headers = {FINGERPRINT_HEADER: info.fingerprint}
        if "application/json" in request.headers.get("accept", ""):
            return Response(json.dumps(vectors.tolist()), headers=headers, media_type="application/json")
        return Response(encode_npy(vectors), headers=headers, media_type=NPY)

    return router


def models_router(extraction: Extraction) -> APIRouter:
    """The list of models, which in one process is the detector's."""
    router = APIRouter(tags=["embed"], dependencies=[Depends(RequireRole("admin"))])

    @router.get("/models", summary="The models that serve, the default one first")
    async def models() -> list[ModelInfo]:
        return extraction.models()

    return router


async def _picture_and_boxes(request: Request) -> tuple[bytes, list[Box]]:
    async with request.form(max_files=1, max_fields=4, max_part_size=1024 * 1024) as form:
        image, boxes = form.get("image"), form.get("boxes")
        if not isinstance(image, UploadFile):
            raise Unprocessable("the file is missing", "image")
        if not isinstance(boxes, str):
            raise Unprocessable("the JSON list of boxes is missing", "boxes")
        try:
            return await image.read(), BOXES.validate_json(boxes)
        except ValidationError as error:
            raise Unprocessable(f"not a JSON list of [x0, y0, x1, y1]: {error.errors()[0]['msg']}", "boxes") from error
