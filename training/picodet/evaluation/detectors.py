"""Detectors of pictures: bundles, networks, the whole picture."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenspeckle.bundle import Bundle, DetectionOutput, InputSpec, open_session
from kenspeckle.crop import resize_picture
from kenspeckle.geometry import scale_boxes
from training.picodet.data import Picture, load
from training.picodet.export import INTERPOLATION, Found, detect_torch
from training.picodet.model import PicoDet


@dataclass(frozen=True)
class Detections:
    """Boxes ``(n, 4) float64`` in pixels of the picture, best first, and their scores ``(n,)``.

    ``classes`` are the numbers ``(n,)`` of the boxes' classes; None from a detector that knows none.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64] | None = None


Detector = Callable[[Image.Image], Detections]


def detect_all(
    detector: Detector, pictures: Iterable[Picture], report: Callable[[], object] = lambda: None
) -> list[Detections]:
    """What ``detector`` finds in each picture; ``report`` is called after each."""
    found = []
    for picture in pictures:
        found.append(detector(load(picture).image))
        report()
    return found


def whole_picture(image: Image.Image) -> Detections:
    """The trivial detector: one box around everything."""
    return Detections(np.array([[0.0, 0.0, image.width, image.height]]), np.ones(1))


def bundle_detector(bundle: Bundle) -> Detector:
    """The detector of a bundle, run as a service runs it."""
    return _session_detector(open_session(bundle), bundle.card.input)


def class_names(bundle: Bundle) -> tuple[str, ...]:
    """Names of the classes that a bundle tells apart; none if it knows only one."""
    output = bundle.card.output
    return (output.classes or ()) if isinstance(output, DetectionOutput) else ()


def graph_detector(graph: bytes, spec: InputSpec) -> Detector:
    """An exported graph whose input is as ``spec`` says."""
    return _session_detector(session_of(graph), spec)


def _session_detector(session: Any, spec: InputSpec) -> Detector:
    names = [output.name for output in session.get_outputs()]

    def detect(image: Image.Image) -> Detections:
        pixels = resize_picture(image, spec.width, spec.height, spec.interpolation)
        got = dict(zip(names, session.run(names, {spec.name: pixels[None]}), strict=True))
        count = int(got["count"][0])
        classes = got["classes"][0, :count] if "classes" in got else np.zeros(count, np.int64)
        found = Found(got["boxes"][0, :count], got["scores"][0, :count], classes)
        return _scaled(found, image, spec.width, spec.height)

    return detect


def network_detector(model: PicoDet, size: int) -> Detector:
    """A network in PyTorch, with the resize of its bundle and a plain suppression."""

    def detect(image: Image.Image) -> Detections:
        (found,) = detect_torch(model, resize_picture(image, size, size, INTERPOLATION)[None])
        return _scaled(found, image, size, size)

    return detect


def _scaled(found: Found, image: Image.Image, width: int, height: int) -> Detections:
    scaled = scale_boxes(found.boxes, image.width / width, image.height / height)
    return Detections(np.asarray(scaled, np.float64), np.asarray(found.scores, np.float64), found.classes)


def session_of(model: bytes | Path) -> Any:
    """A session of ONNX Runtime with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def milliseconds(model: bytes | Path, shape: tuple[int, ...], runs: int = 40) -> float:
    """Median CPU time of one picture in a one-thread session, resize not counted."""
    session = session_of(model)
    feed = {session.get_inputs()[0].name: np.random.default_rng(0).integers(0, 256, shape, np.uint8)}
    session.run(None, feed)
    times = []
    for _ in range(runs):
        began = time.process_time()
        session.run(None, feed)
        times.append(time.process_time() - began)
    return float(np.median(times) * 1e3)
