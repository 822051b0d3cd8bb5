"""Task-aligned assignment (Feng et al., "TOOD", 2021)."""

import torch
from torch import Tensor

from training.picodet.assign.base import Assignment, inside, owners
from training.picodet.boxes import overlaps

BEST = 13  # cells of a box
SCORE_POWER, IOU_POWER = 1.0, 6.0
EPS = 1e-9


@torch.no_grad()
def task_aligned(scores: Tensor, boxes: Tensor, centres: Tensor, gt_boxes: Tensor, gt_classes: Tensor) -> Assignment:
    """Assign to each box of one picture the cells that both score and overlap best, among those inside of it.

    The alignment of a cell is score times IoU to the sixth power; its target score is the alignment relative to the
    best of its box, times the best IoU of that box.

    Args:
        scores: ``(A, classes)`` predicted probabilities.
        boxes: ``(A, 4)`` predicted boxes in pixels.
        centres: ``(A, 2)`` cell centres in pixels.
        gt_boxes: ``(G, 4)`` in pixels.
        gt_classes: ``(G,)`` integers.
    """
    iou = overlaps(boxes[:, None], gt_boxes[None])[0]
    alignment = scores[:, gt_classes] ** SCORE_POWER * iou**IOU_POWER
    within = inside(centres, gt_boxes)
    best = (alignment * within).topk(min(BEST, len(boxes)), dim=0).indices
    wanted = torch.zeros_like(within).scatter(0, best, True) & within
    cells, chosen = owners(wanted, iou)
    mine = alignment[cells, chosen]
    owned = torch.zeros_like(alignment)
    owned[cells, chosen] = mine
    best_iou = torch.zeros_like(iou)
    best_iou[cells, chosen] = iou[cells, chosen]
    relative = mine / (owned.max(dim=0).values[chosen] + EPS)
    return Assignment(cells, chosen, relative * best_iou.max(dim=0).values[chosen])
