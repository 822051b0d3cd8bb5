"""The extractor over HTTP."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from kenspeckle.types import ModelInfo
from services.common.errors import NotReady
from services.common.tensors import MEDIA_TYPE, decode_npy, encode_npy
from services.common.upstream import Upstream
from services.detector.ports import Embedded

MODELS: TypeAdapter[list[ModelInfo]] = TypeAdapter(list[ModelInfo])


class HttpExtractor:
    """See ``services.detector.ports.Extractor``."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def info(self) -> ModelInfo:
        models = MODELS.validate_json((await self._upstream.call("GET", "/models")).content)
        if not models:
            raise NotReady("the extractor has loaded no model yet")
        return models[0]

    async def embed(self, crops: NDArray[np.uint8]) -> Embedded:
        response = await self._upstream.call(
            "POST", "/embed", content=encode_npy(crops), headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
        )
        return Embedded(
            response.headers["Kenspeckle-Fingerprint"], decode_npy(response.content, np.float32, (len(crops), None))
        )

    async def checks(self) -> Mapping[str, str]:
        return {"extractor": await self._upstream.check()}
