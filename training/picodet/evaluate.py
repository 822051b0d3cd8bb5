"""How well a detector boxes the main objects: best box and recall, per source, on what ships."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenspeckle.bundle import Bundle, open_session
from kenspeckle.crop import resize_picture
from kenspeckle.geometry import box_iou, clip_boxes, scale_boxes
from training.picodet.data import Picture, load

MATCH_IOU = 0.5
TOP = 5
Z95 = 1.959964

Detector = Callable[[Image.Image], NDArray[np.float64]]
"""Picture -> boxes ``(n, 4)`` in its pixels, best first."""


@dataclass(frozen=True)
class Score:
    """Counts over the pictures of one source."""

    photos: int
    best_right: int
    objects: int
    recalled: int

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.photos + other.photos,
            self.best_right + other.best_right,
            self.objects + other.objects,
            self.recalled + other.recalled,
        )


def evaluate(detector: Detector, pictures: Iterable[Picture]) -> dict[str, Score]:
    """Score a detector per source.

    A photo's best box is right if its IoU with any object is 0.5 or more. An object is recalled if one of the
    five best boxes has an IoU of 0.5 or more with it, one box for one object.
    """
    scores: dict[str, Score] = {}
    for picture in pictures:
        overlaps = box_iou(detector(load(picture).image)[:TOP], picture.boxes)
        best = int(len(overlaps) > 0 and overlaps[0].max() >= MATCH_IOU)
        one = Score(1, best, len(picture.boxes), matched(overlaps))
        scores[picture.source] = scores.get(picture.source, Score(0, 0, 0, 0)) + one
    return scores


def matched(overlaps: NDArray[np.float64]) -> int:
    """Number of pairs (box, object) of IoU 0.5 or more, each used once, best pairs first."""
    left, count = overlaps.copy(), 0
    while left.size and left.max() >= MATCH_IOU:
        row, column = np.unravel_index(left.argmax(), left.shape)
        left[row, :], left[:, column] = 0, 0
        count += 1
    return count


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); (0, 1) without observations."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = hits / total, Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def bundle_detector(bundle: Bundle) -> Detector:
    """The detector of a bundle, run as a service runs it."""
    session, spec = open_session(bundle), bundle.card.input

    def detect(image: Image.Image) -> NDArray[np.float64]:
        pixels = resize_picture(image, spec.width, spec.height, spec.interpolation)
        boxes, count = session.run(["boxes", "count"], {spec.name: pixels[None]})
        return scale_boxes(boxes[0, : count[0]], image.width / spec.width, image.height / spec.height)

    return detect


def whole_picture(image: Image.Image) -> NDArray[np.float64]:
    """The trivial detector: one box around everything."""
    return np.array([[0.0, 0.0, image.width, image.height]])


def teacher_detector(path: Path) -> Detector:
    """Mobile Object Localizer v1 in ONNX Runtime, the yardstick. Boxes come as y0, x0, y1, x1 in 0..1."""
    session = _session(path)
    name = session.get_inputs()[0].name

    def detect(image: Image.Image) -> NDArray[np.float64]:
        pixels = np.asarray(image.resize((192, 192), Image.Resampling.BILINEAR))
        boxes = session.run(None, {name: pixels[None]})[0][0][:, [1, 0, 3, 2]]
        return clip_boxes(scale_boxes(boxes, image.width, image.height), image.width, image.height)

    return detect


def milliseconds(model: bytes | Path, shape: tuple[int, ...], runs: int = 40) -> float:
    """Median CPU time of one picture in a one-thread session, resize not counted."""
    session = _session(model)
    feed = {session.get_inputs()[0].name: np.random.default_rng(0).integers(0, 256, shape, np.uint8)}
    session.run(None, feed)
    times = []
    for _ in range(runs):
        began = time.process_time()
        session.run(None, feed)
        times.append(time.process_time() - began)
    return float(np.median(times) * 1e3)


def _session(model: bytes | Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
