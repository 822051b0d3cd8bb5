"""Bundles: a model with everything needed to run, trust and calibrate it."""

from kenspeckle.bundle.bundle import Bundle, BundleError, array_name, fingerprint, read_bundle, write_bundle
from kenspeckle.bundle.card import (
    BitsOutput,
    Calibration,
    Card,
    DetectionOutput,
    EmbeddingOutput,
    InputSpec,
    Measurement,
)
from kenspeckle.bundle.verify import open_session, verify_bundle

__all__ = [
    "BitsOutput",
    "Bundle",
    "BundleError",
    "Calibration",
    "Card",
    "DetectionOutput",
    "EmbeddingOutput",
    "InputSpec",
    "Measurement",
    "array_name",
    "fingerprint",
    "open_session",
    "read_bundle",
    "verify_bundle",
    "write_bundle",
]
