"""One loaded extractor bundle."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kenspeckle.bits import unit_codes
from kenspeckle.bundle import Bundle, BundleError, open_session, read_bundle, verify_bundle
from kenspeckle.types import ModelInfo

PROVIDERS = {"cpu": ("CPUExecutionProvider",), "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider")}


class EmbeddingModel:
    """A verified bundle and its open session.

    Attributes:
        info: what the service says of the model.
        provider: the execution provider in use.
    """

    def __init__(self, bundle: Bundle, session: Any, variant: str) -> None:
        self._session = session
        self._output = bundle.card.output.kind
        self.info = _info(bundle, variant)
        self.provider: str = session.get_providers()[0]

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed ``(N, height, width, 3) uint8`` crops: ``(N, dim) float32``, the bits of a hashing model as codes of
        unit length. Blocking; safe to call from threads."""
        outputs = self._session.run([self._output], {"image": crops})[0]
        return unit_codes(outputs) if self._output == "bits" else outputs


def load_model(path: Path, provider: Literal["cpu", "cuda"], variant: str, threads: int) -> EmbeddingModel:
    """Read, verify and warm a bundle.

    Raises:
        BundleError: naming the bundle and the reason; also if CUDA was asked for and is not to be had.
    """
    bundle = read_bundle(path)
    if bundle.card.kind != "extractor":
        raise BundleError(f"{path}: this is a {bundle.card.kind}, not an extractor")
    wanted = PROVIDERS[provider][0]
    offered = onnxruntime.get_available_providers()
    session = open_session(bundle, variant, PROVIDERS[provider], threads) if wanted in offered else None
    # ONNX Runtime falls back in silence where a provider is compiled in but its libraries or device are missing.
    if session is None or session.get_providers()[0] != wanted:
        raise BundleError(f"{path}: {wanted} was asked for and is not to be had here; install what it needs or use cpu")
    verify_bundle(bundle, session, variant)
    return EmbeddingModel(bundle, session, variant)


def _info(bundle: Bundle, variant: str) -> ModelInfo:
    card = bundle.card
    if card.output.kind == "detection" or card.calibration is None:
        raise BundleError(f"{bundle.path}: the card describes no embedding and calibration")
    return ModelInfo(
        name=card.name,
        version=card.version,
        kind="extractor",
        fingerprint=card.models[variant].fingerprint,
        width=card.input.width,
        height=card.input.height,
        interpolation=card.input.interpolation,
        dim=card.output.dim,
        crop=card.crop,
        calibrator=card.calibration.calibrator,
        cohort_size=card.calibration.cohort_size,
        false_accept_rate=card.calibration.false_accept_rate,
        licence=card.licence,
    )
