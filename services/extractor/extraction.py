"""The use case of the extractor: crops or pictures in, embeddings out."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import structlog
from numpy.typing import NDArray

from kenspeckle.bundle import BundleError
from kenspeckle.crop import crop_boxes
from kenspeckle.geometry import as_boxes
from kenspeckle.types import Box, ModelInfo
from services.common.errors import NotFound, NotReady, Overloaded, TooLarge, Unprocessable
from services.common.intake import decode_picture
from services.common.metrics import Metrics
from services.extractor.batching import Batcher
from services.extractor.model import EmbeddingModel, load_model
from services.extractor.settings import ExtractorSettings

GPU_WINDOW_S = 0.002
MAX_WAITING_PICTURES = 32

log = structlog.get_logger()


@dataclass(frozen=True)
class Loaded:
    """A model and its queue."""

    model: EmbeddingModel
    batcher: Batcher


class Extraction:
    """Serves one or several bundles. ``start`` loads them; a bad one is named by ``checks``, the others serve.

    The first configured bundle is the default one. If it is bad, no other takes its place: callers that name no model
    would get embeddings of another function.
    """

    def __init__(self, settings: ExtractorSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._loaded: dict[str, Loaded] = {}
        self._failures: dict[str, str] = {}
        self._default: str | None = None
        self._started = False
        self._decoders = anyio.CapacityLimiter(settings.thread_count())

    async def start(self) -> None:
        """Load, verify and warm all bundles."""
        for path in self._settings.paths():
            try:
                name = await self._load(path)
            except BundleError as error:
                self._failures[str(path)] = str(error)
                log.warning("bundle_refused", path=str(path), reason=str(error))
                continue
            if path == self._settings.paths()[0]:
                self._default = name
        self._started = True

    async def _load(self, path: Path) -> str:
        settings = self._settings
        model = await anyio.to_thread.run_sync(
            load_model, path, settings.provider, settings.variant, settings.thread_count()
        )
        name = model.info.name
        if name in self._loaded:
            raise BundleError(f"{path}: another bundle is called {name!r} already")
        window_s = GPU_WINDOW_S if settings.provider == "cuda" else 0.0
        batcher = Batcher(model.run, settings.max_batch, settings.max_queued_crops, window_s, self._metrics)
        self._loaded[name] = Loaded(model, batcher)
        return name

    async def close(self) -> None:
        """Stop all queues."""
        await asyncio.gather(*(loaded.batcher.close() for loaded in self._loaded.values()))

    async def checks(self) -> Mapping[str, str]:
        """'ok' or a reason per bundle."""
        if not self._started:
            return {"models": "the models are being loaded"}
        return dict.fromkeys(self._loaded, "ok") | self._failures

    def models(self) -> list[ModelInfo]:
        """All models that serve, the default one first.

        Raises:
            NotReady: the default model is not there.
        """
        self._get(None)
        return [loaded.model.info for loaded in self._loaded.values()]

    async def info(self, name: str | None = None) -> ModelInfo:
        """One model (the default one).

        Raises:
            NotFound: no model of that name. NotReady: none is loaded.
        """
        return self._get(name).model.info

    async def embed(self, crops: NDArray[np.uint8], name: str | None = None) -> NDArray[np.float32]:
        """Embed ``(N, height, width, 3) uint8`` crops of the model's input size: ``(N, dim) float32``.

        Raises:
            TooLarge: too many crops. Unprocessable: none, or of another size. Overloaded, DeadlineExceeded.
        """
        loaded = self._get(name)
        info = loaded.model.info
        if not 0 < len(crops) <= self._settings.max_request_crops:
            limit = self._settings.max_request_crops
            error = Unprocessable if len(crops) == 0 else TooLarge
            raise error(f"{len(crops)} crops were sent; send 1 to {limit} a request")
        if crops.shape[1:] != (info.height, info.width, 3):
            raise Unprocessable(f"crops must be {info.height} x {info.width} x 3, not {crops.shape[1:]}")
        return await loaded.batcher.submit(crops)

    async def embed_picture(self, picture: bytes, boxes: Sequence[Box], name: str | None = None) -> NDArray[np.float32]:
        """Embed boxes of an encoded picture, cut by the model's crop rule: ``(N, dim) float32``.

        Raises:
            Unprocessable: a box has no area inside the picture; also the errors of ``embed`` and of picture intake.
        """
        info = self._get(name).model.info
        if len(boxes) > self._settings.max_request_crops:
            raise TooLarge(f"{len(boxes)} boxes were sent; send at most {self._settings.max_request_crops}", "boxes")
        if self._decoders.statistics().tasks_waiting >= MAX_WAITING_PICTURES:
            raise Overloaded("many pictures are waiting already; try again in a moment", retry_after=1)
        with self._metrics.stage("crop"):
            crops = await anyio.to_thread.run_sync(self._crops, picture, boxes, info, limiter=self._decoders)
        return await self.embed(crops, name)

    def _crops(self, data: bytes, boxes: Sequence[Box], info: ModelInfo) -> NDArray[np.uint8]:
        if info.crop is None:
            raise NotReady(f"the card of {info.name} has no crop rule")
        picture = decode_picture(data, self._settings.max_pixels)
        try:
            scaled = picture.to_image(as_boxes(boxes))
            return crop_boxes(picture.pyramid, scaled, info.crop, info.width, info.height, info.interpolation)
        except ValueError as error:
            raise Unprocessable(str(error), "boxes") from error

    def _get(self, name: str | None) -> Loaded:
        if name is None:
            if self._default is None:
                reasons = "; ".join(self._failures.values()) or "the models are being loaded"
                raise NotReady(f"the default model is not loaded: {reasons}")
            return self._loaded[self._default]
        if name not in self._loaded:
            raise NotFound(f"there is no model {name!r}; there are {', '.join(self._loaded) or 'none'}")
        return self._loaded[name]
