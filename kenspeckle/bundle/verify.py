"""Does a bundle's graph do what its card says? Needs onnxruntime."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenspeckle.bits import bit_similarities, unit_codes
from kenspeckle.bundle.bundle import COHORT, MODEL, PROBE, Bundle, BundleError, array_name
from kenspeckle.bundle.card import DetectionOutput
from kenspeckle.geometry import box_iou

MIN_COSINE = 0.999
MIN_BIT_AGREEMENT = 0.97
MIN_IOU = 0.95
MAX_SCORE_ERROR = 0.01
PROBE_SCORE = 0.1


def open_session(
    bundle: Bundle,
    variant: str = MODEL,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int = 1,
) -> Any:
    """Open the graph in ONNX Runtime.

    Args:
        variant: name of the model file, e.g. ``model.int8.onnx``.
        providers: execution providers in order of preference.
        threads: intra-op threads.

    Raises:
        BundleError: if the variant is not there or ONNX Runtime refuses the graph.
    """
    import onnxruntime

    if variant not in bundle.card.models:
        raise BundleError(f"{bundle.path}: no {variant}; there are {', '.join(sorted(bundle.card.models))}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(bundle.contents[variant], options, providers=list(providers))
    except Exception as error:
        raise BundleError(f"{bundle.path}: {variant}: the graph cannot be opened: {error}") from error


def verify_bundle(bundle: Bundle, session: Any = None, variant: str = MODEL) -> None:
    """Check inputs and outputs of a graph against the card, then run the probe and compare.

    ``probe.npz`` holds ``image`` uint8 (n, height, width, 3) and, per output of the graph, the expected array;
    those of a variant under names such as ``embedding.int8``.

    Args:
        session: an open session of the variant's graph; opened on the CPU if None.

    Raises:
        BundleError: naming the bundle and what disagrees.
    """
    session = session or open_session(bundle, variant)
    _check_signature(bundle, session)
    probe = bundle.arrays(PROBE)
    spec, output = bundle.card.input, bundle.card.output
    image = probe.get("image")
    if image is None or image.dtype != np.uint8 or image.shape[1:] != (spec.height, spec.width, 3):
        raise BundleError(f"{bundle.path}: {PROBE} holds no uint8 image of {spec.width} x {spec.height}")
    try:
        names = [node.name for node in session.get_outputs()]
        got = dict(zip(names, session.run(names, {spec.name: image}), strict=True))
    except Exception as error:
        raise BundleError(f"{bundle.path}: {variant} fails on its probe: {error}") from error
    if output.kind == "detection":
        _compare_detections(bundle, got, {name: probe.get(array_name(name, variant)) for name in names})
        return
    expected = probe.get(array_name(output.name, variant))
    if output.kind == "embedding":
        _compare_embeddings(bundle, got["embedding"], expected)
    else:
        _compare_bits(bundle, got["bits"], expected)
    stated = bundle.card.calibration.cohort_size if bundle.card.calibration else None
    if bundle.cohort(variant).shape != (stated, output.dim):
        raise BundleError(f"{bundle.path}: {COHORT} is not the cohort of {stated} that the card describes")


def _check_signature(bundle: Bundle, session: Any) -> None:
    card = bundle.card
    inputs = {node.name: (node.type, tuple(node.shape)) for node in session.get_inputs()}
    if set(inputs) != {card.input.name}:
        raise BundleError(f"{bundle.path}: the graph's inputs are {sorted(inputs)}, the card says image")
    kind, shape = inputs[card.input.name]
    if kind != "tensor(uint8)" or shape[1:] != (card.input.height, card.input.width, 3) or isinstance(shape[0], int):
        raise BundleError(
            f"{bundle.path}: input is {kind} {shape}; the card says uint8"
            f" (batch, {card.input.height}, {card.input.width}, 3)"
        )
    outputs = {node.name for node in session.get_outputs()}
    wanted = set(card.output.names) if isinstance(card.output, DetectionOutput) else {card.output.name}
    if outputs != wanted:
        raise BundleError(f"{bundle.path}: the graph's outputs are {sorted(outputs)}, the card says {sorted(wanted)}")


def _compare_embeddings(bundle: Bundle, got: NDArray[Any], expected: NDArray[Any] | None) -> None:
    if expected is None or got.shape != expected.shape or got.shape[1] != bundle.card.output.model_dump()["dim"]:
        raise BundleError(f"{bundle.path}: embeddings of the probe have shape {got.shape}")
    if not np.isfinite(got).all() or abs(np.linalg.norm(got, axis=1) - 1).max() > 1e-3:
        raise BundleError(f"{bundle.path}: embeddings are not of unit length")
    cosine = float((got * expected).sum(axis=1).min())
    if cosine < MIN_COSINE:
        raise BundleError(f"{bundle.path}: embeddings of the probe differ from the stored ones (cosine {cosine:.4f})")


def _compare_bits(bundle: Bundle, got: NDArray[Any], expected: NDArray[Any] | None) -> None:
    """Rounding on another CPU may turn a bit that is near its threshold, not many."""
    dim = bundle.card.output.model_dump()["dim"]
    if expected is None or {got.dtype, expected.dtype} != {np.dtype(np.uint8)} or got.shape != expected.shape:
        raise BundleError(f"{bundle.path}: bits of the probe are {got.dtype} of shape {got.shape}")
    if got.shape[1] * 8 != dim:
        raise BundleError(f"{bundle.path}: the card says {dim} bits, the graph gives {got.shape[1] * 8}")
    agreement = float(np.diag(bit_similarities(unit_codes(got), unit_codes(expected))).min())
    if agreement < MIN_BIT_AGREEMENT:
        raise BundleError(f"{bundle.path}: bits of the probe differ from the stored ones ({agreement:.1%} agree)")


def _compare_detections(bundle: Bundle, got: dict[str, NDArray[Any]], stored: dict[str, NDArray[Any] | None]) -> None:
    """Every stored box of some score must be there again: rounding on another CPU may reorder the faint ones."""
    expected = {name: value for name, value in stored.items() if value is not None}
    if len(expected) < len(stored):
        raise BundleError(f"{bundle.path}: {PROBE} lacks {', '.join(sorted(set(stored) - set(expected)))}")
    for index, count in enumerate(expected["count"]):
        sure = expected["scores"][index, :count] >= PROBE_SCORE
        boxes, scores = expected["boxes"][index, :count][sure], expected["scores"][index, :count][sure]
        found = int(got["count"][index])
        overlaps = box_iou(boxes, got["boxes"][index, :found])
        same = np.abs(scores[:, None] - got["scores"][index, None, :found]) <= MAX_SCORE_ERROR
        if "classes" in got:
            same &= expected["classes"][index, :count][sure][:, None] == got["classes"][index, None, :found]
        if not ((overlaps >= MIN_IOU) & same).any(axis=1).all():
            raise BundleError(f"{bundle.path}: boxes of the probe differ from the stored ones")
