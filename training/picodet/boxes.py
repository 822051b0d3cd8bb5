"""Geometry of detection in PyTorch: cells, distances, overlaps. Boxes are ``x0, y0, x1, y1``."""

from collections.abc import Sequence

import torch
from torch import Tensor

STRIDES = (8, 16, 32, 64)
EPS = 1e-10


def cells(
    height: int, width: int, strides: Sequence[int] = STRIDES, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Centres ``(A, 2)`` in input pixels and strides ``(A,)`` of all cells of a ``height`` x ``width`` input.

    A map has ``ceil(size / stride)`` cells a side; cell (x, y) has its centre at ``(x + 0.5, y + 0.5) * stride``.
    """
    centres, steps = [], []
    for stride in strides:
        ys = torch.arange(-(-height // stride), device=device) + 0.5
        xs = torch.arange(-(-width // stride), device=device) + 0.5
        grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij"), dim=-1).flip(-1).reshape(-1, 2)
        centres.append(grid * stride)
        steps.append(torch.full((len(grid),), float(stride), device=device))
    return torch.cat(centres), torch.cat(steps)


def expected_distances(logits: Tensor) -> Tensor:
    """Mean of each side's distribution over the bins: ``(..., 4 * bins)`` logits -> ``(..., 4)`` in strides."""
    bins = logits.shape[-1] // 4
    shares = logits.reshape(*logits.shape[:-1], 4, bins).softmax(dim=-1)
    return shares @ torch.arange(bins, dtype=logits.dtype, device=logits.device)


def distances_to_boxes(centres: Tensor, distances: Tensor) -> Tensor:
    """Centres ``(..., 2)`` and distances left, top, right, bottom ``(..., 4)`` in the same unit -> boxes."""
    return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)


def decode(distance_logits: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Distance logits ``(..., A, 4 * bins)`` of all ``cells`` -> boxes ``(..., A, 4)`` in pixels, not clipped."""
    return distances_to_boxes(centres, expected_distances(distance_logits) * strides[:, None])


def boxes_to_distances(centres: Tensor, boxes: Tensor) -> Tensor:
    """Inverse of ``distances_to_boxes``; negative where the centre is outside of the box."""
    return torch.cat([centres - boxes[..., :2], boxes[..., 2:] - centres], dim=-1)


def overlaps(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al., 2019) of boxes that broadcast against each other."""
    low, high = torch.maximum(first[..., :2], second[..., :2]), torch.minimum(first[..., 2:], second[..., 2:])
    intersection = (high - low).clamp(min=0).prod(dim=-1)
    union = _area(first) + _area(second) - intersection
    iou = intersection / (union + EPS)
    hull_low = torch.minimum(first[..., :2], second[..., :2])
    hull_high = torch.maximum(first[..., 2:], second[..., 2:])
    hull = (hull_high - hull_low).prod(dim=-1)
    return iou, iou - (hull - union) / (hull + EPS)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
