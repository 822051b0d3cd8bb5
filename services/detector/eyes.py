"""The blocking steps on pixels: decode, detect, crop. They run in a bounded pool of threads."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from kenspeckle.bundle import BundleError
from kenspeckle.crop import crop_boxes
from kenspeckle.types import Box, DetectedObject, ModelInfo
from services.common.errors import NotReady, Unprocessable
from services.common.intake import Picture, decode_picture
from services.common.metrics import Metrics
from services.detector.model import DetectionModel, load_detector
from services.detector.settings import DetectorSettings

T = TypeVar("T")
Timings = dict[str, float]

log = structlog.get_logger()


@dataclass(frozen=True)
class Seen:
    """A decoded picture and what was found in it, best first."""

    picture: Picture
    objects: list[DetectedObject]


class Eyes:
    """Holds the detector model. ``start`` loads it; a bad bundle is named by ``check``."""

    def __init__(self, settings: DetectorSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._model: DetectionModel | None = None
        self._failure = "the detector model is being loaded"
        self._threads = ThreadPoolExecutor(settings.running_count(), "detector-eyes")

    async def start(self) -> None:
        """Load, verify and warm the bundle."""
        settings = self._settings
        try:
            self._model = await self._run(
                lambda: load_detector(settings.bundle_path(), settings.variant, settings.thread_count())
            )
        except BundleError as error:
            self._failure = str(error)
            log.warning("bundle_refused", path=str(settings.bundle_path()), reason=self._failure)

    def close(self) -> None:
        """Wait for what runs."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def check(self) -> str:
        """'ok' or the reason."""
        return "ok" if self._model else self._failure

    @property
    def info(self) -> ModelInfo:
        """The model.

        Raises:
            NotReady: naming the reason.
        """
        return self._ready().info

    async def see(self, data: bytes, limit: int, timings: Timings) -> Seen:
        """Decode a picture and find at most ``limit`` objects in it (0: the detector is not asked).

        Raises:
            NotAPicture, TooLarge, Unprocessable: see ``decode_picture``. NotReady: no model.
        """
        model = self._ready() if limit else None

        def work() -> Seen:
            with self._metrics.stage("decode", timings):
                picture = decode_picture(data, self._settings.max_pixels)
            if model is None:
                return Seen(picture, [])
            with self._metrics.stage("detect", timings):
                return Seen(picture, model.detect(picture, self._settings.min_score, limit))

        return await self._run(work)

    async def crop(
        self, picture: Picture, boxes: Sequence[Box], model: ModelInfo, timings: Timings
    ) -> NDArray[np.uint8]:
        """Cut boxes (full-size pixels) out by the rule of an extractor's card.

        Raises:
            Unprocessable: a box has no area inside the picture.
        """
        rule = model.crop
        if rule is None:
            raise NotReady(f"the card of {model.name} has no crop rule")

        def work() -> NDArray[np.uint8]:
            with self._metrics.stage("crop", timings):
                scaled = picture.to_image(boxes)
                return crop_boxes(picture.pyramid, scaled, rule, model.width, model.height, model.interpolation)

        try:
            return await self._run(work)
        except ValueError as error:
            raise Unprocessable(str(error), "boxes") from error

    async def compute(self, function: Callable[[], T]) -> T:
        """Run any other blocking function in the pool."""
        return await self._run(function)

    def _ready(self) -> DetectionModel:
        if self._model is None:
            raise NotReady(self._failure, retry_after=1)
        return self._model

    async def _run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)
