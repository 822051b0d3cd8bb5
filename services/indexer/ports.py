"""What the indexer needs from the extractor, for re-embedding alone."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kenspeckle.types import Box, ModelInfo


class Embedder(Protocol):
    """Embeds stored pictures. Adapters: ``adapters`` (HTTP) and ``services.standalone``."""

    async def info(self) -> ModelInfo:
        """The default model."""
        ...

    async def embed_picture(self, picture: bytes, boxes: Sequence[Box]) -> NDArray[np.float32]:
        """Embed boxes of an encoded picture, cut by the model's crop rule: ``(N, dim) float32``, unit length."""
        ...
