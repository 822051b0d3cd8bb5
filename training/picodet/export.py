"""Export of a trained detector to ONNX: uint8 pictures in, suppressed boxes out, standard operators only."""

import io
import warnings
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kenspeckle.crop import Interpolation
from training.picodet.boxes import cells, decode
from training.picodet.model import PicoDet

SCORE_THRESHOLD = 0.025
IOU_THRESHOLD = 0.6
MAX_BOXES = 100
OPSET = 18
SMALLEST = 96
"""Least side of an input; one of 64 pixels has 85 cells, fewer than ``MAX_BOXES``."""
INTERPOLATION: Interpolation = "halved-bilinear"
"""How a picture is resized to the input."""


def postprocess(classes: int) -> str:
    """Suppression within each class as an ONNX graph in text form.

    ``kept`` holds the scores of the cells that NonMaxSuppression chose and 0 elsewhere; TopK then sorts each picture by
    itself, so a picture's answer does not depend on the rest of the batch. With several classes there is one more
    output ``classes``.
    """
    several = classes > 1
    outputs = f"float[batch, {MAX_BOXES}, 4] boxes, float[batch, {MAX_BOXES}] scores, int64[batch] count"
    # A place among the scores of a picture is class * cells + cell.
    cell = "shape = Shape <start = 2, end = 3> (raw_scores)\n    cell = Mod (order, shape)" if several else ""
    names = "named = Div (order, shape)\n    classes = Mul (named, filled_number)" if several else ""
    return f"""
<ir_version: 9, opset_import: ["" : {OPSET}]>
postprocess (float[batch, cells, 4] raw_boxes, float[batch, {classes}, cells] raw_scores)
    => ({outputs}{f", int64[batch, {MAX_BOXES}] classes" if several else ""})
<int64[1] limit = {{{MAX_BOXES}}}, float iou = {{{IOU_THRESHOLD}}}, float threshold = {{{SCORE_THRESHOLD}}},
 int64[1] one_axis = {{1}}, int64[1] last_axis = {{2}}, float zero = {{0.0}},
 int64[3] four_sides = {{1, 1, 4}}, int64[2] flat_shape = {{0, -1}}>
{{
    chosen = NonMaxSuppression (raw_boxes, raw_scores, limit, iou, threshold)
    found = GatherND (raw_scores, chosen)
    nothing = Mul (raw_scores, zero)
    marked = ScatterND (nothing, chosen, found)
    kept = Reshape (marked, flat_shape)
    scores, order = TopK <axis = 1, largest = 1, sorted = 1> (kept, limit)
    {cell}
    order_column = Unsqueeze ({"cell" if several else "order"}, last_axis)
    order_sides = Tile (order_column, four_sides)
    best = GatherElements <axis = 1> (raw_boxes, order_sides)
    filled = Greater (scores, zero)
    filled_column = Unsqueeze (filled, last_axis)
    boxes = Where (filled_column, best, zero)
    filled_number = Cast <to = 7> (filled)
    count = ReduceSum <keepdims = 0> (filled_number, one_axis)
    {names}
}}
"""


class Inference(nn.Module):
    """The network as it is exported: ``(N, size, size, 3) uint8`` -> clipped boxes, scores ``(N, classes, A)``."""

    def __init__(self, model: PicoDet, size: int) -> None:
        super().__init__()
        self.model, self.size = model, size
        device = model.mean.device
        self.centres, self.strides = cells(size, size, model.config.strides, device)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        class_outputs, distance_logits = self.model(image.permute(0, 3, 1, 2).float())
        boxes = decode(distance_logits, self.centres, self.strides).clamp(0, self.size)
        return boxes, self.model.scores(class_outputs).transpose(1, 2)


def export_onnx(model: PicoDet, size: int) -> bytes:
    """The whole detector as an ONNX model.

    Input ``image`` uint8 (batch, size, size, 3) RGB; outputs ``boxes`` float32 (batch, 100, 4) in input pixels,
    ``scores`` float32 (batch, 100) descending, zero beyond ``count`` int64 (batch,); with several classes also
    ``classes`` int64 (batch, 100).

    Raises:
        ValueError: if the input has fewer cells than boxes are given back, or is no multiple of 32.
    """
    if size % 32 or size < SMALLEST:
        raise ValueError(f"size {size}: a multiple of 32, at least {SMALLEST}")
    network = _export_network(model, size)
    tail = onnx.parser.parse_model(postprocess(model.config.classes))
    tail.ir_version = network.ir_version
    whole = onnx.compose.merge_models(network, tail, io_map=[("raw_boxes", "raw_boxes"), ("raw_scores", "raw_scores")])
    del whole.opset_import[1:]  # the merge lists the operators' version once for each part
    whole.producer_name = "kenspeckle"
    onnx.checker.check_model(whole, full_check=True)
    return bytes(whole.SerializeToString())


def _export_network(model: PicoDet, size: int) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter is several times faster than its successor and leaves no source paths in the
        # file; it announces its age and every slice that it does not fold.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Inference(model, size).eval(),
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=["raw_boxes", "raw_scores"],
            dynamic_axes={name: {0: "batch"} for name in ("image", "raw_boxes", "raw_scores")},
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


class Found(NamedTuple):
    """Boxes ``(n, 4)`` in input pixels of one picture, best first, their scores and classes ``(n,)``."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]


@torch.no_grad()
def detect_torch(model: PicoDet, images: NDArray[np.uint8]) -> list[Found]:
    """What is found in each picture by PyTorch and greedy suppression within each class, as the graph gives it.

    Args:
        images: ``(N, size, size, 3)`` RGB.
    """
    pixels = torch.tensor(images, device=model.mean.device)
    boxes, scores = Inference(model.eval(), images.shape[1])(pixels)
    return [_suppressed(box, score) for box, score in zip(boxes.cpu().numpy(), scores.cpu().numpy(), strict=True)]


def _suppressed(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Found:
    """Suppression of the boxes ``(A, 4)`` of one picture within each class of the scores ``(classes, A)``."""
    kept = [greedy_suppression(boxes, of_class) for of_class in scores]
    cells, classes = np.concatenate(kept).astype(np.int64), np.repeat(np.arange(len(kept)), [len(one) for one in kept])
    best = np.argsort(-scores[classes, cells], kind="stable")[:MAX_BOXES]
    return Found(boxes[cells[best]], scores[classes[best], cells[best]], classes[best])


def greedy_suppression(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    score_threshold: float = SCORE_THRESHOLD,
    iou_threshold: float = IOU_THRESHOLD,
) -> list[int]:
    """Indices of the boxes that stay, best first, at most ``MAX_BOXES``: the rule of the graph's suppression."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] <= score_threshold or len(kept) == MAX_BOXES:
            break
        if not kept or _ious(boxes[index], boxes[kept]).max() <= iou_threshold:
            kept.append(int(index))
    return kept


def _ious(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """IoU of one box with each of ``(n, 4)``; 0 where they do not meet."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = sides.clip(min=0).prod(axis=1)
    total = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1)
    return np.where(both > 0, both / np.where(both > 0, total - both, 1), 0)
