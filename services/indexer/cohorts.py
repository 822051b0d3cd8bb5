"""The cohorts of the fingerprints that this indexer knows: read from bundles, nothing else is."""

from collections.abc import Collection
from pathlib import Path

import structlog

from kenspeckle.bundle import Bundle, BundleError, read_bundle
from kenspeckle.bundle.bundle import CARD
from kenspeckle.decision import LeaveOut
from kenspeckle.types import ModelInfo
from services.indexer.vectors.index import Vectors

log = structlog.get_logger()


class Cohorts:
    """Cohorts by fingerprint.

    Args:
        folder: of extractor bundles (folders and .tar files); read by ``load``.

    Attributes:
        models: the bundles whose cohorts are known.
        problems: what was wrong with those that could not be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._vectors: dict[str, Vectors] = {}
        self._leave_out: dict[str, LeaveOut | None] = {}
        self._hashing: set[str] = set()
        self.models: list[ModelInfo] = []
        self.problems: list[str] = []

    def get(self, fingerprint: str | None) -> Vectors | None:
        """Cohort of a fingerprint, ``(N, dim) float32``; None if it is not known."""
        return None if fingerprint is None else self._vectors.get(fingerprint)

    def fingerprints(self) -> Collection[str]:
        """Fingerprints whose cohorts are known."""
        return self._vectors.keys()

    def hashing(self, fingerprint: str | None) -> bool:
        """Whether embeddings of a fingerprint are codes of a hashing model."""
        return fingerprint in self._hashing

    def leave_out(self, fingerprint: str | None) -> LeaveOut | None:
        """When members of the cohort of a fingerprint do not count; None if they always do."""
        return None if fingerprint is None else self._leave_out.get(fingerprint)

    def load(self) -> None:
        """Read the bundles; one that cannot be used is passed over and named in ``problems``."""
        for path in _bundles(self._folder):
            try:
                bundle = read_bundle(path)
                if bundle.card.kind == "extractor":
                    self._take(bundle)
            except BundleError as error:
                log.warning("bundle_refused", path=str(path), reason=str(error))
                self.problems.append(str(error))

    def _take(self, bundle: Bundle) -> None:
        card, cohort = bundle.card, bundle.cohort()
        for name, model in card.models.items():
            self._vectors[model.fingerprint] = bundle.cohort(name)
            self._leave_out[model.fingerprint] = bundle.leave_out()
            if card.output.kind == "bits":
                self._hashing.add(model.fingerprint)
        self.models.append(
            ModelInfo(
                name=card.name,
                version=card.version,
                kind="extractor",
                fingerprint=card.fingerprint,
                width=card.input.width,
                height=card.input.height,
                interpolation=card.input.interpolation,
                dim=cohort.shape[1],
                crop=card.crop,
                calibrator=card.calibration.calibrator if card.calibration else None,
                cohort_size=len(cohort),
                false_accept_rate=card.calibration.false_accept_rate if card.calibration else None,
                licence=card.licence,
            )
        )


def _bundles(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if (path / CARD).is_file() or path.suffix == ".tar"]
