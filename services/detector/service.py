"""The detector as a whole: its parts put together, its start and end."""

from collections.abc import Mapping

from kenspeckle.types import ModelInfo
from services.common.errors import ServiceError
from services.common.metrics import Metrics
from services.detector.admission import Admission
from services.detector.embedding import Embedding
from services.detector.enrolment import Enroller
from services.detector.eyes import Eyes
from services.detector.ports import Extractor, Indexer
from services.detector.recognition import Recognizer
from services.detector.settings import DetectorSettings


class DetectorService:
    """Everything the detector does. ``start`` before the first call, ``close`` after the last one."""

    def __init__(self, settings: DetectorSettings, extractor: Extractor, indexer: Indexer, metrics: Metrics) -> None:
        self._extractor = extractor
        self._indexer = indexer
        self._eyes = Eyes(settings, metrics)
        self._embedding = Embedding(self._eyes, extractor, metrics)
        self.admission = Admission(settings.running_count(), settings.max_waiting, metrics)
        self.recognizer = Recognizer(
            self._eyes, self._embedding, indexer, metrics, settings.sure, settings.suppress_iou
        )
        self.enroller = Enroller(self._eyes, self._embedding, indexer, settings.enrol_score, settings.max_pictures)

    async def start(self) -> None:
        """Load and warm the model."""
        await self._eyes.start()

    def close(self) -> None:
        """Wait for what runs."""
        self._eyes.close()

    async def checks(self) -> Mapping[str, str]:
        """'ok' or a reason for the model and for the services behind this one."""
        own = {"detector": self._eyes.check()}
        found = {**own, **await self._extractor.checks(), **await self._indexer.checks()}
        if all(state == "ok" for state in found.values()):
            found["fingerprints"] = await self._agreement()
        return found

    async def _agreement(self) -> str:
        """'ok' if the indexer can search what the extractor makes."""
        try:
            made, searched = (await self._extractor.info()).fingerprint, await self._indexer.fingerprints()
        except ServiceError as error:
            return error.detail
        if made in searched:
            return "ok"
        return f"the indexer has no bundle with the extractor's fingerprint {made}: give both the same models"

    async def models(self) -> list[ModelInfo]:
        """The models that make the answers; what cannot be reached is left out."""
        found = []
        if self._eyes.check() == "ok":
            found.append(self._eyes.info)
        try:
            found.append(await self._embedding.model())
        except ServiceError:
            return found
        return found
