"""HTTP of the detector: parse, call, answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel

from kenspeckle.types import Detection, Enrolment, ModelInfo, Recognition
from services.common.disconnect import while_connected
from services.common.keys import RequireRole
from services.detector.bodies import FORM, read_body
from services.detector.old_client import OldAnswer, OldRequest, answer_of, picture_of
from services.detector.parameters import DetectAsked, EnrolAsked, RecognizeAsked, read
from services.detector.service import DetectorService

FILE = {"type": "string", "format": "binary"}
TEXT = {"type": "string"}


# In a query or a form these are text that is parsed here: JSON, or words with commas.
AS_TEXT = ("boxes", "include")


def _fields(asked: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """JSON schemas of the parameters, as they come in a query or a form."""
    schemas = asked.model_json_schema()["properties"]
    return {
        name: {**TEXT, "description": schema["description"]} if name in AS_TEXT else schema
        for name, schema in schemas.items()
    }


def _picture_and(asked: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI of a call that takes a picture, alone or in a form, and parameters in the query or the form."""
    fields = _fields(asked)
    form = {"type": "object", "required": ["image"], "properties": {"image": FILE, **fields}}
    return {
        "parameters": [{"name": name, "in": "query", "schema": schema} for name, schema in fields.items()],
        "requestBody": {"required": True, "content": {FORM: {"schema": form}, "image/*": {"schema": FILE}}},
    }


ENROL_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "array", "items": FILE, "minItems": 1},
                        "gallery": {**TEXT, "default": "default"},
                        "label": {**TEXT, "description": "Name of the thing; needed unless negative."},
                        "item_id": {**TEXT, "description": "Your own id; one that is there gets more references."},
                        "negative": {"type": "boolean", "default": False},
                        "box": {**TEXT, "description": "JSON [x0, y0, x1, y1]."},
                        "crop": {**TEXT, "enum": ["auto", "whole"], "default": "auto"},
                        "metadata": {**TEXT, "description": "JSON object."},
                    },
                }
            }
        },
    }
}


def recognition_router(service: DetectorService, upload_seconds: float, max_pictures: int) -> APIRouter:
    """The public door, except the console."""
    router = APIRouter(tags=["recognition"])
    recognizes, curates = Depends(RequireRole("recognize")), Depends(RequireRole("curate"))
    admission = service.admission

    @router.post(
        "/recognize",
        summary="Recognise the things in a picture",
        dependencies=[recognizes],
        openapi_extra=_picture_and(RecognizeAsked),
    )
    async def recognize(request: Request) -> Recognition:
        async with admission.place():
            body = await read_body(request, 1, upload_seconds)
            asked: RecognizeAsked = read(RecognizeAsked, dict(request.query_params), body.fields)
            async with admission.turn():
                work = service.recognizer.recognize(body.only_picture(), asked)
                return await while_connected(request, work)

    @router.post(
        "/detect",
        summary="Find the things in a picture",
        dependencies=[recognizes],
        openapi_extra=_picture_and(DetectAsked),
    )
    async def detect(request: Request) -> Detection:
        async with admission.place():
            body = await read_body(request, 1, upload_seconds)
            asked: DetectAsked = read(DetectAsked, dict(request.query_params), body.fields)
            async with admission.turn():
                work = service.recognizer.detect(body.only_picture(), asked.max_objects)
                return await while_connected(request, work)

    @router.post(
        "/gallery",
        summary="Add a thing, or pictures of one that is there",
        status_code=201,
        dependencies=[curates],
        openapi_extra=ENROL_BODY,
    )
    async def enrol(
        request: Request,
        idempotency_key: Annotated[
            str | None, Header(min_length=1, max_length=256, description="A repeated request changes nothing.")
        ] = None,
    ) -> Enrolment:
        async with admission.place():
            body = await read_body(request, max_pictures, upload_seconds)
            asked: EnrolAsked = read(EnrolAsked, dict(request.query_params), body.fields)
            async with admission.turn():
                return await service.enroller.enrol(body.pictures, asked, idempotency_key)

    @router.post(
        "/recognition/prediction", summary="Recognise, in the form of PP-ShiTu's serving", dependencies=[recognizes]
    )
    async def prediction(old: OldRequest, request: Request) -> OldAnswer:
        async with admission.place(), admission.turn():
            work = service.recognizer.recognize(picture_of(old), RecognizeAsked())
            return answer_of(await while_connected(request, work))

    @router.get("/models", summary="The models that make the answers", dependencies=[recognizes])
    async def models() -> list[ModelInfo]:
        return await service.models()

    return router
