"""Loss of a batch: assignment and the weighted sum of the three losses."""

import torch
from torch import Tensor

from training.picodet.assign import simota
from training.picodet.boxes import boxes_to_distances, cells, decode
from training.picodet.losses import distribution_focal, giou_loss, varifocal

GIOU_WEIGHT, DISTRIBUTION_WEIGHT = 2.0, 0.25


def detection_losses(
    class_logits: Tensor,
    distance_logits: Tensor,
    size: tuple[int, int],
    gt_boxes: list[Tensor],
    gt_classes: list[Tensor],
) -> dict[str, Tensor]:
    """Weighted losses ``vfl``, ``giou``, ``dfl`` of a batch.

    Args:
        class_logits: ``(N, A, classes)``.
        distance_logits: ``(N, A, 4 * bins)``.
        size: height and width of the input in pixels.
        gt_boxes: per picture ``(G, 4)`` in pixels; a picture may have none.
        gt_classes: per picture ``(G,)`` integers.
    """
    centres, strides = cells(*size)
    predicted = decode(distance_logits, centres, strides)
    scores = class_logits.detach().sigmoid()
    targets = torch.zeros_like(class_logits)
    rows, columns, wanted = [], [], []
    for index, (boxes, classes) in enumerate(zip(gt_boxes, gt_classes, strict=True)):
        if len(boxes) == 0:
            continue
        found = simota(scores[index], predicted[index].detach(), centres, strides, boxes, classes)
        targets[index, found.cells, classes[found.boxes]] = found.ious
        rows.append(torch.full_like(found.cells, index))
        columns.append(found.cells)
        wanted.append(boxes[found.boxes])
    positives = max(sum(map(len, columns)), 1)
    losses = {"vfl": varifocal(class_logits, targets).sum() / positives}
    if not columns:
        return losses | {"giou": predicted.sum() * 0, "dfl": distance_logits.sum() * 0}
    row, cell = torch.cat(rows), torch.cat(columns)
    unit = strides[cell, None]
    boxes, centre = torch.cat(wanted) / unit, centres[cell] / unit
    weights = scores[row, cell].max(dim=1).values
    total = weights.sum().clamp(min=1)
    giou = giou_loss(predicted[row, cell] / unit, boxes)
    dfl = distribution_focal(distance_logits[row, cell], boxes_to_distances(centre, boxes))
    return losses | {
        "giou": GIOU_WEIGHT * (giou * weights).sum() / total,
        "dfl": DISTRIBUTION_WEIGHT * (dfl * weights).sum() / total,
    }
