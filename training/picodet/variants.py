"""Smaller forms of a detector's graph, with what each costs in recall."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kenspeckle.bundle import Bundle, Measurement, array_name
from kenspeckle.crop import resize_picture
from training.export.variants import Precision, make_variant, variant_name
from training.picodet.data import Picture, load
from training.picodet.evaluation.average_precision import class_average_precision
from training.picodet.evaluation.detectors import (
    Detections,
    class_names,
    detect_all,
    graph_detector,
    milliseconds,
    session_of,
)
from training.picodet.evaluation.matching import TOP, Score, score_sources, wilson
from training.picodet.package import rewritten

CALIBRATION_PICTURES = 64
QUANTISED = ("Conv",)
"""Only convolutions become integers: boxes are decoded and suppressed in floating point."""


def add_variants(
    bundle: Bundle,
    precisions: Sequence[Precision],
    training: Sequence[Picture],
    validation: Sequence[Picture],
    command: str,
) -> Bundle:
    """Write the bundle again with variants of its ``model.onnx``, which stays what it is.

    Args:
        training: pictures that integers are calibrated on.
        validation: pictures that the variants are measured on; none leaves them unmeasured.
        command: what makes and measures them, for the card.

    Raises:
        ValueError: if there is nothing to calibrate integers on.
    """
    spec = bundle.card.input
    chosen = training[:: max(len(training) // CALIBRATION_PICTURES, 1)][:CALIBRATION_PICTURES]
    inputs = [resize_picture(load(one).image, spec.width, spec.height, spec.interpolation) for one in chosen]
    graph = bundle.contents["model.onnx"]
    variants = {
        variant_name(one): make_variant(graph, one, np.stack(inputs) if inputs else np.zeros(0, np.uint8), QUANTISED)
        for one in precisions
    }
    measured = {name: compare(bundle, content, validation, command) for name, content in variants.items() if validation}
    return rewritten(bundle, {**variants, "probe.npz": _probe(bundle, variants)}, measured)


def compare(bundle: Bundle, variant: bytes, pictures: Sequence[Picture], command: str) -> list[Measurement]:
    """A variant and ``model.onnx`` on the same pictures: best box, recall, AP, CPU time, size."""
    spec, rows = bundle.card.input, []
    for name, graph in (("model.onnx", bundle.contents["model.onnx"]), ("variant", variant)):
        found = detect_all(graph_detector(graph, spec), pictures)
        rows += _rows(name, pictures, found, command, max(len(class_names(bundle)), 1))
        shape = (1, spec.height, spec.width, 3)
        rows.append(_figure(f"{name}: CPU ms, one thread", round(milliseconds(graph, shape), 1), command))
        rows.append(_figure(f"{name}: bytes", len(graph), command))
    return rows


def _rows(
    name: str, pictures: Sequence[Picture], found: Sequence[Detections], command: str, classes: int
) -> list[Measurement]:
    total = sum(score_sources(pictures, found).values(), Score())
    shares: dict[str, tuple[int, int]] = {
        "best box IoU >= 0.5": (total.best_right, total.photos),
        f"recall@{TOP}": (total.recalled, total.objects),
    }
    rows = [
        _figure(f"{name}: {metric}", round(hits / max(count, 1), 4), command, wilson(hits, count))
        for metric, (hits, count) in shares.items()
    ]
    return [*rows, _figure(f"{name}: AP50:95", round(class_average_precision(pictures, found, classes).ap, 4), command)]


def _figure(metric: str, value: float, command: str, interval: tuple[float, float] | None = None) -> Measurement:
    rounded = None if interval is None else (round(interval[0], 4), round(interval[1], 4))
    return Measurement(metric=metric, data="validation pictures", value=value, interval=rounded, command=command)


def _probe(bundle: Bundle, variants: dict[str, bytes]) -> bytes:
    """The bundle's probe with the answers of every variant."""
    stored: dict[str, NDArray[np.generic]] = dict(bundle.arrays("probe.npz"))
    outputs = [name for name in stored if name != "image" and "." not in name]
    for name, content in variants.items():
        for output, value in zip(outputs, session_of(content).run(outputs, {"image": stored["image"]}), strict=True):
            stored[array_name(output, name)] = value
    buffer = io.BytesIO()
    save: Callable[..., None] = np.savez_compressed
    save(buffer, **stored)
    return buffer.getvalue()
