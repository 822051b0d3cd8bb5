"""Crops to embeddings, by the model that the extractor runs now."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kenspeckle.types import Box, ModelInfo
from services.common.errors import NotReady, Unprocessable
from services.common.intake import Picture
from services.common.metrics import Metrics
from services.detector.eyes import Eyes, Timings
from services.detector.ports import Extractor

Regions = Sequence[tuple[Picture, Sequence[Box]]]


class Embedding:
    """Remembers the extractor's model between requests; notices when it has changed."""

    def __init__(self, eyes: Eyes, extractor: Extractor, metrics: Metrics) -> None:
        self._eyes = eyes
        self._extractor = extractor
        self._metrics = metrics
        self._info: ModelInfo | None = None

    async def model(self) -> ModelInfo:
        """The extractor's model.

        Raises:
            NotReady: if the extractor has none.
        """
        if self._info is None:
            self._info = await self._extractor.info()
        return self._info

    async def embed(self, regions: Regions, timings: Timings) -> tuple[ModelInfo, NDArray[np.float32]]:
        """Embed all boxes of all pictures as one batch.

        Returns:
            The model, and ``(N, dim) float32`` in the order of the boxes.

        Raises:
            NotReady: if the extractor changes its model meanwhile, again and again.
        """
        for retry in (False, True):
            info = await self.model()
            parts = [await self._eyes.crop(*region, info, timings) for region in regions]
            crops = parts[0] if len(parts) == 1 else np.concatenate(parts)
            try:
                with self._metrics.stage("embed", timings):
                    embedded = await self._extractor.embed(crops)
            except Unprocessable:  # crops of another model's size
                self._info = None
                if retry:
                    raise
                continue
            if embedded.fingerprint == info.fingerprint:
                return info, embedded.vectors
            self._info = None
        raise NotReady("the extractor is changing its model", retry_after=1)
