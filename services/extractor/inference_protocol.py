"""Open Inference Protocol v2 over HTTP, with the binary tensor extension.

Source: KServe, "Open Inference Protocol (V2)", REST specification; Triton, "Binary tensor data extension".
"""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

import kenspeckle
from kenspeckle.types import ModelInfo
from services.common.disconnect import while_connected
from services.common.errors import Malformed, ServiceError, Unprocessable
from services.common.keys import RequireRole
from services.common.problems import MEDIA_TYPE, problem_of, response_of
from services.extractor.extraction import Extraction

JSON_LENGTH = "inference-header-content-length"
PROBLEM_HEADERS = ("retry-after", "www-authenticate")


class _Tensor(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class _Output(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    parameters: dict[str, Any] = {}


class _Inference(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[_Tensor]
    outputs: list[_Output] = []


class _ErrorRoute(APIRoute):
    """Adds the member ``error``, which the protocol wants, to problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except ServiceError as error:
                plain = response_of(error)
                body = {"error": error.detail, **problem_of(error).model_dump(mode="json")}
                kept = {name: plain.headers[name] for name in PROBLEM_HEADERS if name in plain.headers}
                return JSONResponse(body, plain.status_code, headers=kept, media_type=MEDIA_TYPE)

        return handle


KEY = [Depends(RequireRole("admin"))]


def protocol_router(extraction: Extraction) -> APIRouter:
    """Routes below ``/v2``. Health needs no key; what the models are and do, does."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol"], route_class=_ErrorRoute)

    @router.get("", summary="The server", dependencies=KEY)
    async def server_metadata() -> dict[str, Any]:
        return {
            "name": "kenspeckle-extractor",
            "version": kenspeckle.__version__,
            "extensions": ["binary_tensor_data"],
        }

    @router.get("/health/live", summary="The process answers")
    async def server_live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", summary="All models serve")
    async def server_ready() -> JSONResponse:
        ready = all(state == "ok" for state in (await extraction.checks()).values())
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    @router.get("/models/{name}", summary="A model's inputs and outputs", dependencies=KEY)
    async def model_metadata(name: str) -> dict[str, Any]:
        return _metadata(await extraction.info(name))

    @router.get("/models/{name}/ready", summary="A model serves")
    async def model_ready(name: str) -> dict[str, Any]:
        await extraction.info(name)
        return {"name": name, "ready": True}

    @router.post(
        "/models/{name}/infer",
        summary="Embed a tensor of crops",
        response_class=Response,
        dependencies=KEY,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"type": "object", "required": ["inputs"]}},
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                },
            }
        },
    )
    async def infer(name: str, request: Request) -> Response:
        info = await extraction.info(name)
        body, json_length = await request.body(), request.headers.get(JSON_LENGTH)
        # Megabytes of JSON take long to read: not on the event loop.
        inference, crops = await anyio.to_thread.run_sync(_read, body, json_length, info)
        vectors = await while_connected(request, extraction.embed(crops, name))
        return _answer(inference, info, vectors)

    return router


def _metadata(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "versions": [info.version],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, info.height, info.width, 3]}],
        "outputs": [{"name": "embedding", "datatype": "FP32", "shape": [-1, info.dim]}],
    }


def _read(body: bytes, json_length: str | None, info: ModelInfo) -> tuple[_Inference, NDArray[np.uint8]]:
    inference, tail = _parse(body, json_length)
    _check_outputs(inference)
    return inference, _crops(inference, tail, info)


def _parse(body: bytes, json_length: str | None) -> tuple[_Inference, bytes]:
    if json_length is not None and (not json_length.isdigit() or int(json_length) > len(body)):
        raise Malformed("Inference-Header-Content-Length must be a number within the body")
    cut = len(body) if json_length is None else int(json_length)
    try:
        return _Inference.model_validate_json(body[:cut]), body[cut:]
    except ValidationError as error:
        first = error.errors()[0]
        raise Malformed(
            f"not an inference request: {first['msg']}", ".".join(map(str, first["loc"])) or None
        ) from error


def _crops(inference: _Inference, tail: bytes, info: ModelInfo) -> NDArray[np.uint8]:
    if [tensor.name for tensor in inference.inputs] != ["image"]:
        raise Unprocessable("send exactly one input, named 'image'", "inputs")
    tensor = inference.inputs[0]
    if tensor.datatype != "UINT8" or len(tensor.shape) != 4 or tensor.shape[1:] != [info.height, info.width, 3]:
        raise Unprocessable(f"image must be UINT8 [N, {info.height}, {info.width}, 3]", "inputs.image")
    if tensor.shape[0] < 1:
        raise Unprocessable("send at least one crop", "inputs.image")
    count = math.prod(tensor.shape)
    size = tensor.parameters.get("binary_data_size")
    if size is not None:
        if size != len(tail) or size != count:
            raise Malformed(
                f"binary_data_size is {size}, the shape needs {count} and {len(tail)} bytes follow", "inputs.image"
            )
        return np.frombuffer(tail, np.uint8).reshape(tensor.shape)
    try:
        values = np.asarray(tensor.data, dtype=np.int64).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed("data must be whole numbers, flat or nested by shape", "inputs.image") from error
    if values.size != count or not 0 <= int(values.min()) <= int(values.max()) <= 255:
        raise Unprocessable(f"data must be {count} numbers from 0 to 255", "inputs.image")
    return values.astype(np.uint8).reshape(tensor.shape)


def _check_outputs(inference: _Inference) -> None:
    unknown = [output.name for output in inference.outputs if output.name != "embedding"]
    if unknown:
        raise Unprocessable(f"there is no output {unknown[0]!r}; there is 'embedding'", "outputs")


def _answer(inference: _Inference, info: ModelInfo, vectors: NDArray[np.float32]) -> Response:
    asked = inference.outputs[0].parameters.get("binary_data") if inference.outputs else None
    binary = bool(inference.parameters.get("binary_data_output", False)) if asked is None else bool(asked)
    output: dict[str, Any] = {"name": "embedding", "datatype": "FP32", "shape": list(vectors.shape)}
    content = b""
    if binary:
        content = np.ascontiguousarray(vectors, "<f4").tobytes()
        output["parameters"] = {"binary_data_size": len(content)}
    else:
        output["data"] = vectors.ravel().tolist()
    head: dict[str, Any] = {"model_name": info.name, "model_version": info.version, "outputs": [output]}
    if inference.id is not None:
        head["id"] = inference.id
    text = json.dumps(head).encode()
    if not binary:
        return Response(text, media_type="application/json")
    return Response(
        text + content,
        headers={"Inference-Header-Content-Length": str(len(text))},
        media_type="application/octet-stream",
    )
