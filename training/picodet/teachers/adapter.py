"""Any ONNX detector behind one interface: a YAML file says how its input is made and its outputs are read.

The largest form of the file::

    name: My detector
    model: my-detector.onnx            # relative to this file
    licence: Apache-2.0
    input: {width: 640, height: 640, layout: nchw, dtype: float32, keep_ratio: false, mean: [0, 0, 0], std: [1, 1, 1]}
    boxes: {output: boxes, order: xyxy, unit: input, channels_first: false}
    scores: {output: scores, kind: probability}
    suppress: 0.6
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kenspeckle.geometry import clip_boxes, scale_boxes
from training.picodet.data import DataError
from training.picodet.evaluation.detectors import Detections, session_of
from training.picodet.export import greedy_suppression

_STRICT = ConfigDict(frozen=True, extra="forbid")
Three = tuple[float, float, float]
MODEL_LOCALIZER = "mobile_object_localizer_v1.onnx"


class InputRule(BaseModel):
    """How a picture becomes the input: RGB, resized to ``width`` x ``height``, ``(pixels - mean) / std``."""

    model_config = _STRICT

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    layout: Literal["nhwc", "nchw"] = "nchw"
    dtype: Literal["uint8", "float32"] = "float32"
    keep_ratio: bool = Field(default=False, description="Fit into the corner of a grey canvas instead of squashing.")
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)


class BoxesRule(BaseModel):
    """Where the boxes ``(1, n, 4)`` are: name or number of the output, order of the sides, unit."""

    model_config = _STRICT

    output: str | int
    order: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy"
    unit: Literal["fraction", "input"] = "input"
    channels_first: bool = Field(default=False, description="The output is (1, channels, n).")


class ScoresRule(BaseModel):
    """Where the scores are, ``(1, n)`` or ``(1, n, classes)``; of several classes the best one counts."""

    model_config = _STRICT

    output: str | int
    kind: Literal["probability", "logit"] = "probability"
    channels: tuple[int, int | None] = Field(
        default=(0, None), description="From and up to which channel the scores are, where the output has more."
    )
    channels_first: bool = False


class Adapter(BaseModel):
    """A detector in an ONNX file; ``suppress`` is the IoU of a greedy suppression, none if left out."""

    model_config = _STRICT

    name: str
    model: str
    licence: str = ""
    input: InputRule
    boxes: BoxesRule
    scores: ScoresRule
    suppress: float | None = Field(default=None, gt=0, lt=1)


LOCALIZER = Adapter(
    name="Mobile Object Localizer v1",
    model=MODEL_LOCALIZER,
    licence="Apache-2.0",
    input=InputRule(width=192, height=192, layout="nhwc", dtype="uint8"),
    boxes=BoxesRule(output=0, order="yxyx", unit="fraction"),
    scores=ScoresRule(output=2),
)
"""Google's class-agnostic detector, which Kenspeckle's own is compared with."""


def read_adapter(path: Path) -> Adapter:
    """Read an adapter file.

    Raises:
        DataError: naming the file and the field at fault.
    """
    try:
        return Adapter.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


class OnnxDetector:
    """A detector as its adapter describes it; a ``Detector``.

    Raises:
        DataError: if the model cannot be opened or lacks an output.
    """

    def __init__(self, adapter: Adapter, model: Path) -> None:
        self.adapter = adapter
        try:
            self._session = session_of(model)
        except Exception as error:
            raise DataError(f"{model}: ONNX Runtime cannot open it: {error}") from error
        names = [output.name for output in self._session.get_outputs()]
        self._outputs = [_output_name(rule.output, names, model) for rule in (adapter.boxes, adapter.scores)]
        self._input = self._session.get_inputs()[0].name

    def __call__(self, image: Image.Image) -> Detections:
        """Boxes in pixels of ``image``, inside of it, best first."""
        tensor, scale = prepared(image, self.adapter.input)
        raw_boxes, raw_scores = self._session.run(self._outputs, {self._input: tensor})
        boxes = corners(raw_boxes, self.adapter.boxes)
        if self.adapter.boxes.unit == "fraction":
            boxes = scale_boxes(boxes, self.adapter.input.width, self.adapter.input.height)
        boxes = clip_boxes(scale_boxes(boxes, *scale), image.width, image.height)
        scores = best_scores(raw_scores, self.adapter.scores)
        real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, scores = boxes[real], scores[real]
        order = np.argsort(-scores, kind="stable")
        if self.adapter.suppress is not None:
            order = np.array(greedy_suppression(boxes, scores, 0.0, self.adapter.suppress), np.int64)
        return Detections(boxes[order], scores[order])


def localizer(model: Path) -> OnnxDetector:
    """Mobile Object Localizer v1 from its ONNX file."""
    return OnnxDetector(LOCALIZER, model)


def prepared(image: Image.Image, rule: InputRule) -> tuple[NDArray[Any], tuple[float, float]]:
    """The input tensor of one picture, and pixels of the picture per pixel of the input in x and y."""
    width, height = rule.width, rule.height
    if rule.keep_ratio:
        factor = min(width / image.width, height / image.height)
        width, height = max(round(image.width * factor), 1), max(round(image.height * factor), 1)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (rule.width, rule.height), (114, 114, 114))
    canvas.paste(resized, (0, 0))
    pixels = np.asarray(canvas)[None]
    if rule.dtype == "float32":
        pixels = ((pixels - np.array(rule.mean, np.float32)) / np.array(rule.std, np.float32)).astype(np.float32)
    if rule.layout == "nchw":
        pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return pixels, (image.width / width, image.height / height)


def corners(output: NDArray[Any], rule: BoxesRule) -> NDArray[np.float64]:
    """Boxes ``(n, 4)`` as x0, y0, x1, y1, in the unit of the output."""
    rows = _rows(output, rule.channels_first)[:, :4].astype(np.float64)
    if rule.order == "yxyx":
        return rows[:, [1, 0, 3, 2]]
    if rule.order == "xywh":
        return np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], axis=1)
    if rule.order == "cxcywh":
        return np.concatenate([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2], axis=1)
    return rows


def best_scores(output: NDArray[Any], rule: ScoresRule) -> NDArray[np.float64]:
    """The best probability ``(n,)`` of each box."""
    rows = _rows(output, rule.channels_first).astype(np.float64)
    best = rows[:, slice(*rule.channels)].max(axis=1)
    return np.asarray(1 / (1 + np.exp(-best)) if rule.kind == "logit" else best)


def _rows(output: NDArray[Any], channels_first: bool) -> NDArray[Any]:
    """``(1, n)``, ``(1, n, c)`` or ``(1, c, n)`` -> ``(n, c)``."""
    rows = output[0]
    if rows.ndim == 1:
        return np.asarray(rows[:, None])
    return np.asarray(rows.T if channels_first else rows)


def _output_name(wanted: str | int, names: list[str], model: Path) -> str:
    if isinstance(wanted, int) and wanted < len(names):
        return names[wanted]
    if wanted in names:
        return str(wanted)
    raise DataError(f"{model}: no output {wanted!r}; it has {', '.join(names)}")
