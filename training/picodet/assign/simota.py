"""SimOTA: which cells learn which box (Ge et al., "YOLOX", 2021), with the varifocal cost of PicoDet."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.picodet.assign.base import Assignment
from training.picodet.boxes import overlaps
from training.picodet.losses import ALPHA, GAMMA

CENTRE_RADIUS = 2.5  # in strides
CANDIDATES = 10  # overlaps that set the number of cells of a box
BOX_WEIGHT = 6.0
FAR = 1e8  # cost of a cell that is not both in the box and near its centre


@torch.no_grad()
def simota(
    scores: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, gt_boxes: Tensor, gt_classes: Tensor
) -> Assignment:
    """Assign cells to the ground truth of one picture; the score of a cell is the IoU of its prediction.

    Args:
        scores: ``(A, classes)`` predicted probabilities.
        boxes: ``(A, 4)`` predicted boxes in pixels.
        centres: ``(A, 2)`` cell centres in pixels.
        strides: ``(A,)``.
        gt_boxes: ``(G, 4)`` in pixels.
        gt_classes: ``(G,)`` integers.
    """
    in_box, in_centre = _regions(centres, strides, gt_boxes)
    candidates = (in_box | in_centre).any(dim=1).nonzero()[:, 0]
    if len(candidates) == 0:
        return Assignment.empty(boxes)
    iou, giou = overlaps(boxes[candidates, None], gt_boxes[None])
    cost = _class_cost(scores[candidates], iou, gt_classes) + BOX_WEIGHT * (1 - giou)
    cost = cost + FAR * ~(in_box & in_centre)[candidates]
    chosen = _cheapest(cost, iou)
    positive = chosen.any(dim=1)
    # A cell that several boxes want goes to the one that costs it least.
    owners = cost.masked_fill(~chosen, torch.inf)[positive].argmin(dim=1)
    return Assignment(candidates[positive], owners, iou[positive].gather(1, owners[:, None])[:, 0])


def _regions(centres: Tensor, strides: Tensor, gt_boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each centre is inside of each box, and inside of the square around its centre: ``(A, G) bool``."""
    x, y = centres[:, 0, None], centres[:, 1, None]
    x0, y0, x1, y1 = gt_boxes.unbind(dim=1)
    in_box = (x > x0) & (y > y0) & (x < x1) & (y < y1)
    radius = CENTRE_RADIUS * strides[:, None]
    in_centre = ((x - (x0 + x1) / 2).abs() < radius) & ((y - (y0 + y1) / 2).abs() < radius)
    return in_box, in_centre


def _class_cost(scores: Tensor, iou: Tensor, gt_classes: Tensor) -> Tensor:
    """Varifocal loss ``(A, G)`` of every cell if it had to claim every box with their IoU as its target."""
    one_hot = F.one_hot(gt_classes, scores.shape[1]).to(scores.dtype)
    targets = iou[:, :, None] * one_hot[None]
    spread = scores[:, None].expand_as(targets)
    negative = ALPHA * (spread - targets).abs() ** GAMMA
    weights = torch.where(targets > 0, targets, negative)
    return (F.binary_cross_entropy(spread, targets, reduction="none") * weights).sum(dim=2)


def _cheapest(cost: Tensor, iou: Tensor) -> Tensor:
    """Per box its k cheapest cells, k = whole part of the sum of its best overlaps, at least 1: ``(A, G) bool``."""
    counts = iou.topk(min(CANDIDATES, len(iou)), dim=0).values.sum(dim=0).int().clamp(min=1)
    ranks = cost.argsort(dim=0, stable=True).argsort(dim=0)
    return ranks < counts
