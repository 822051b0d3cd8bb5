"""ATSS: cells by a threshold that each box sets itself (Zhang et al., 2020), the warm-up of task alignment."""

import torch
from torch import Tensor

from training.picodet.assign.base import Assignment, inside, owners
from training.picodet.boxes import overlaps

NEAREST = 9  # candidates of each level
ANCHOR_SIDE = 5.0  # in strides


@torch.no_grad()
def atss(boxes: Tensor, centres: Tensor, strides: Tensor, gt_boxes: Tensor) -> Assignment:
    """Assign cells to the ground truth of one picture; the score of a cell is the IoU of its prediction.

    A box's candidates are the nearest cells of each level. Positive are those whose anchor, a square around the cell,
    overlaps it by more than the mean plus the standard deviation of its candidates, and whose centre it holds.

    Args:
        boxes: ``(A, 4)`` predicted boxes in pixels.
        centres: ``(A, 2)`` cell centres in pixels.
        strides: ``(A,)``, ascending.
        gt_boxes: ``(G, 4)`` in pixels.
    """
    half = ANCHOR_SIDE / 2 * strides[:, None]
    anchors = torch.cat([centres - half, centres + half], dim=1)
    iou = overlaps(anchors[:, None], gt_boxes[None])[0]
    candidates = _nearest(centres, strides, gt_boxes)
    among = iou.gather(0, candidates)
    threshold = among.mean(dim=0) + among.std(dim=0)
    near = torch.zeros_like(iou, dtype=torch.bool).scatter(0, candidates, True)
    cells, chosen = owners(near & (iou > threshold) & inside(centres, gt_boxes), iou)
    return Assignment(cells, chosen, overlaps(boxes[cells], gt_boxes[chosen])[0])


def _nearest(centres: Tensor, strides: Tensor, gt_boxes: Tensor) -> Tensor:
    """Indices ``(K, G)`` of the cells of each level whose centres are nearest to the centre of each box."""
    middles = (gt_boxes[:, :2] + gt_boxes[:, 2:]) / 2
    distances = torch.cdist(centres, middles)
    found, first = [], 0
    for count in torch.unique_consecutive(strides, return_counts=True)[1].tolist():
        level = distances[first : first + count]
        found.append(level.topk(min(NEAREST, count), dim=0, largest=False).indices + first)
        first += count
    return torch.cat(found)
