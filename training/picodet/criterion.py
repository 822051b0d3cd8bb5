"""Loss of a batch: assignment of cells to boxes and the weighted sum of the three losses, for both heads.

What losses are divided by is summed over all processes, so that two of eight pictures each learn what one of sixteen
does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.engine.parallel import mean_over_processes, world_size
from training.picodet.assign import Assignment, atss, simota, task_aligned
from training.picodet.assign.base import inside
from training.picodet.boxes import boxes_to_distances, cells, decode
from training.picodet.losses import distribution_focal, giou_loss, varifocal, varifocal_of_probabilities
from training.picodet.model import PicoDet

Assigner = Callable[[int, Tensor, Tensor], Assignment]
"""Picture index, boxes ``(G, 4)``, classes ``(G,)`` -> its positive cells."""


@dataclass(frozen=True)
class Truth:
    """Objects of one picture: boxes ``(G, 4)`` in pixels, classes ``(G,)``, regions ``(I, 4)`` that teach nothing."""

    boxes: Tensor
    classes: Tensor
    ignored: Tensor


@dataclass(frozen=True)
class Outputs:
    """What the network says of a batch: class outputs, probabilities, distance logits, boxes in pixels; its cells."""

    classes: Tensor
    scores: Tensor
    distances: Tensor
    boxes: Tensor
    centres: Tensor
    strides: Tensor

    @classmethod
    def of(cls, model: PicoDet, classes: Tensor, distances: Tensor, pixels: Tensor) -> "Outputs":
        """Decode what ``model`` gave for ``(N, 3, H, W)`` pixels."""
        size = pixels.shape[2], pixels.shape[3]
        return cls.decoded(classes, model.scores(classes), distances, size, model.config.strides)

    @classmethod
    def decoded(
        cls, classes: Tensor, scores: Tensor, distances: Tensor, size: tuple[int, int], strides: Sequence[int]
    ) -> "Outputs":
        """Decode what a network gave for an input of ``size`` (height, width)."""
        centres, steps = cells(size[0], size[1], strides, distances.device)
        return cls(classes, scores.detach(), distances, decode(distances, centres, steps), centres, steps)


def sim_ota_losses(outputs: Outputs, truths: Sequence[Truth]) -> dict[str, Tensor]:
    """Losses ``vfl``, ``giou``, ``dfl`` of ``PicoHead``, whose class outputs are logits; weights 1, 2, 0.25.

    The classification loss is divided by the number of positive cells, the others by the sum of their weights, the
    cells' highest probabilities; both at least 1.
    """

    def assign(index: int, boxes: Tensor, classes: Tensor) -> Assignment:
        predicted = outputs.boxes[index].detach()
        return simota(outputs.scores[index], predicted, outputs.centres, outputs.strides, boxes, classes)

    targets, (row, cell), wanted = _assigned(outputs, truths, assign)
    weights = outputs.scores[row, cell].max(dim=1).values
    positives, total = _divisors(torch.stack([weights.new_tensor(len(cell)), weights.sum()]))
    vfl = (varifocal(outputs.classes, targets) * _counted(outputs, truths, targets)).sum() / positives
    giou, dfl = _box_losses(outputs, row, cell, wanted, weights, total)
    return {"vfl": vfl, "giou": 2.0 * giou, "dfl": 0.25 * dfl}


def aligned_losses(outputs: Outputs, truths: Sequence[Truth], warm_up: bool) -> dict[str, Tensor]:
    """Losses ``vfl``, ``giou``, ``dfl`` of ``PicoHeadV2``, whose class outputs are probabilities; weights 1, 2.5, 0.5.

    All three are divided by the sum of the target scores, at least 1.

    Args:
        warm_up: assign by ATSS, else by task alignment.
    """

    def assign(index: int, boxes: Tensor, classes: Tensor) -> Assignment:
        predicted = outputs.boxes[index].detach()
        if warm_up:
            return atss(predicted, outputs.centres, outputs.strides, boxes)
        return task_aligned(outputs.scores[index], predicted, outputs.centres, boxes, classes)

    targets, (row, cell), wanted = _assigned(outputs, truths, assign)
    total = _divisors(targets.sum())
    weights = targets[row, cell].sum(dim=1)
    vfl = varifocal_of_probabilities(outputs.classes, targets) * _counted(outputs, truths, targets)
    giou, dfl = _box_losses(outputs, row, cell, wanted, weights, total)
    return {"vfl": vfl.sum() / total, "giou": 2.5 * giou, "dfl": 0.5 * dfl}


def _divisors(sums: Tensor) -> Tensor:
    """What losses are divided by: this process's share of the sums over all of them, which are taken as 1 at least."""
    return mean_over_processes(sums).clamp(min=1 / world_size())


def _assigned(
    outputs: Outputs, truths: Sequence[Truth], assign: Assigner
) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Class targets ``(N, A, classes)``, picture and cell of the P positives, and the box ``(P, 4)`` of each."""
    targets = torch.zeros_like(outputs.scores)
    nothing = torch.zeros(0, dtype=torch.long, device=targets.device)
    rows, columns, wanted = [nothing], [nothing], [outputs.boxes.new_zeros(0, 4)]
    for index, truth in enumerate(truths):
        if len(truth.boxes) == 0:
            continue
        found = assign(index, truth.boxes, truth.classes)
        targets[index, found.cells, truth.classes[found.boxes]] = found.scores
        rows.append(torch.full_like(found.cells, index))
        columns.append(found.cells)
        wanted.append(truth.boxes[found.boxes])
    return targets, (torch.cat(rows), torch.cat(columns)), torch.cat(wanted)


def _counted(outputs: Outputs, truths: Sequence[Truth], targets: Tensor) -> Tensor:
    """1 for every cell that counts, 0 for those inside of an ignored region that claim no object: ``(N, A, 1)``."""
    counted = torch.ones_like(targets[..., :1])
    for index, truth in enumerate(truths):
        if len(truth.ignored):
            outside = ~inside(outputs.centres, truth.ignored).any(dim=1)
            counted[index, :, 0] = (outside | (targets[index] > 0).any(dim=1)).float()
    return counted


def _box_losses(
    outputs: Outputs, row: Tensor, cell: Tensor, wanted: Tensor, weights: Tensor, total: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted GIoU and distribution losses of the positive cells, in units of their strides."""
    unit = outputs.strides[cell, None]
    boxes, centres = wanted / unit, outputs.centres[cell] / unit
    giou = giou_loss(outputs.boxes[row, cell] / unit, boxes)
    dfl = distribution_focal(outputs.distances[row, cell], boxes_to_distances(centres, boxes))
    return (giou * weights).sum() / total, (dfl * weights).sum() / total
