"""The extractor over HTTP, for embedding a gallery anew."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from kenspeckle.types import Box, ModelInfo
from services.common.errors import NotReady
from services.common.tensors import MEDIA_TYPE, decode_npy
from services.common.upstream import Upstream

MODELS: TypeAdapter[list[ModelInfo]] = TypeAdapter(list[ModelInfo])


class HttpEmbedder:
    """See ``services.indexer.ports.Embedder``."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def info(self) -> ModelInfo:
        models = MODELS.validate_json((await self._upstream.call("GET", "/models")).content)
        if not models:
            raise NotReady("the extractor has loaded no model yet")
        return models[0]

    async def embed_picture(self, picture: bytes, boxes: Sequence[Box]) -> NDArray[np.float32]:
        response = await self._upstream.call(
            "POST",
            "/embed",
            files={"image": ("picture", picture)},
            data={"boxes": json.dumps([list(box) for box in boxes])},
            headers={"Accept": MEDIA_TYPE},
        )
        return decode_npy(response.content, np.float32, (len(boxes), None))
