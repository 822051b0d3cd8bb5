"""The three losses of PicoDet, per element or pair; the caller divides by the averaging factors."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.picodet.boxes import overlaps

ALPHA, GAMMA = 0.75, 2.0


def varifocal(logits: Tensor, targets: Tensor) -> Tensor:
    """Varifocal loss (Zhang et al., 2021) per element: positives weigh by their target IoU, negatives are focal."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return entropy * _varifocal_weights(logits.sigmoid(), targets)


def varifocal_of_probabilities(probabilities: Tensor, targets: Tensor) -> Tensor:
    """``varifocal`` for a head that gives probabilities."""
    entropy = F.binary_cross_entropy(probabilities, targets, reduction="none")
    return entropy * _varifocal_weights(probabilities, targets)


def _varifocal_weights(probabilities: Tensor, targets: Tensor) -> Tensor:
    return torch.where(targets > 0, targets, ALPHA * (probabilities - targets).abs() ** GAMMA)


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - generalised IoU per pair of boxes."""
    return 1 - overlaps(boxes, targets)[1]


def distribution_focal(logits: Tensor, distances: Tensor) -> Tensor:
    """Distribution focal loss (Li et al., "Generalized focal loss", 2020), mean over the four sides.

    Args:
        logits: ``(P, 4 * bins)``.
        distances: ``(P, 4)`` targets in bins, clipped to [0, bins - 1.1] as the upper bin must exist.

    Returns:
        ``(P,)``.
    """
    bins = logits.shape[-1] // 4
    targets = distances.clamp(0, bins - 1.1).reshape(-1)
    shares = logits.reshape(-1, bins)
    lower = targets.long()
    upper_weight = targets - lower
    low = F.cross_entropy(shares, lower, reduction="none") * (1 - upper_weight)
    high = F.cross_entropy(shares, lower + 1, reduction="none") * upper_weight
    return (low + high).reshape(-1, 4).mean(dim=1)
