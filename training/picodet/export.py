"""Export of a trained detector to ONNX: uint8 pictures in, suppressed boxes out, standard operators only."""

import io
import warnings

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.picodet.boxes import cells, decode
from training.picodet.model import PicoDet

SCORE_THRESHOLD = 0.025
IOU_THRESHOLD = 0.6
MAX_BOXES = 100
OPSET = 18

# ``kept`` holds the scores of the cells that NonMaxSuppression chose and 0 elsewhere; TopK then sorts each picture by
# itself, so a picture's answer does not depend on the rest of the batch.
POSTPROCESS = f"""
<ir_version: 9, opset_import: ["" : {OPSET}]>
postprocess (float[batch, cells, 4] raw_boxes, float[batch, cells] raw_scores)
    => (float[batch, {MAX_BOXES}, 4] boxes, float[batch, {MAX_BOXES}] scores, int64[batch] count)
<int64[1] limit = {{{MAX_BOXES}}}, float iou = {{{IOU_THRESHOLD}}}, float threshold = {{{SCORE_THRESHOLD}}},
 int64[1] one_axis = {{1}}, int64[2] image_and_cell = {{0, 2}}, int64[1] last_axis = {{2}}, float zero = {{0.0}},
 int64[3] four_sides = {{1, 1, 4}}>
{{
    by_class = Unsqueeze (raw_scores, one_axis)
    chosen = NonMaxSuppression (raw_boxes, by_class, limit, iou, threshold)
    places = Gather <axis = 1> (chosen, image_and_cell)
    flat = GatherND (raw_scores, places)
    nothing = Mul (raw_scores, zero)
    kept = ScatterND (nothing, places, flat)
    scores, order = TopK <axis = 1, largest = 1, sorted = 1> (kept, limit)
    order_column = Unsqueeze (order, last_axis)
    order_sides = Tile (order_column, four_sides)
    best = GatherElements <axis = 1> (raw_boxes, order_sides)
    filled = Greater (scores, zero)
    filled_column = Unsqueeze (filled, last_axis)
    boxes = Where (filled_column, best, zero)
    filled_number = Cast <to = 7> (filled)
    count = ReduceSum <keepdims = 0> (filled_number, one_axis)
}}
"""


class Inference(nn.Module):
    """The network as it is exported: ``(N, size, size, 3) uint8`` -> all boxes, clipped, and their scores."""

    def __init__(self, model: PicoDet, size: int) -> None:
        super().__init__()
        self.model, self.size = model, size
        self.centres, self.strides = cells(size, size, model.config.strides)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        class_outputs, distance_logits = self.model(image.permute(0, 3, 1, 2).float())
        boxes = decode(distance_logits, self.centres, self.strides).clamp(0, self.size)
        return boxes, self.model.scores(class_outputs).amax(dim=2)


def export_onnx(model: PicoDet, size: int) -> bytes:
    """The whole detector as an ONNX model.

    Input ``image`` uint8 (batch, size, size, 3) RGB; outputs ``boxes`` float32 (batch, 100, 4) in input pixels,
    ``scores`` float32 (batch, 100) descending, zero beyond ``count`` int64 (batch,).

    Raises:
        ValueError: if the input has fewer cells than boxes are given back, or is no multiple of 32.
    """
    if size % 32 or size < 192:
        raise ValueError(f"size {size}: a multiple of 32, at least 192")
    network = _export_network(model, size)
    tail = onnx.parser.parse_model(POSTPROCESS)
    tail.ir_version = network.ir_version
    whole = onnx.compose.merge_models(network, tail, io_map=[("raw_boxes", "raw_boxes"), ("raw_scores", "raw_scores")])
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


@torch.no_grad()
def detect_torch(model: PicoDet, images: NDArray[np.uint8]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Boxes ``(n, 4)`` and scores ``(n,)`` of each picture by PyTorch and a plain greedy suppression.

    Args:
        images: ``(N, size, size, 3)`` RGB.
    """
    boxes, scores = Inference(model.eval(), images.shape[1])(torch.from_numpy(images))
    found = []
    for box, score in zip(boxes.numpy(), scores.numpy(), strict=True):
        kept = greedy_suppression(box, score)
        found.append((box[kept], score[kept]))
    return found


def greedy_suppression(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Indices of the boxes that stay, best first: the rule that the graph's suppression follows."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] <= SCORE_THRESHOLD or len(kept) == MAX_BOXES:
            break
        if all(_iou(boxes[index], boxes[other]) <= IOU_THRESHOLD for other in kept):
            kept.append(int(index))
    return kept


def _iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(float(sides[0]), 0.0) * max(float(sides[1]), 0.0)
    total = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]))
    return both / (total - both) if both > 0 else 0.0
