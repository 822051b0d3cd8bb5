"""N-pairs loss."""

import torch
from torch import Tensor

from training.losses.base import FeatureLoss
from training.losses.pairs import mean_or_zero
from training.losses.registry import LOSSES


@LOSSES.register()
class NpairsLoss(FeatureLoss):
    """Cross-entropy of every anchor's inner products with the positives of all pairs, its own being right, plus
    ``reg_lambda`` / 2 x mean squared length of the paired features.

    The pictures of a class are paired in the order of the batch: first with second, third with fourth; a last one
    alone is left out. Positives of other pairs of the anchor's class do not count as negatives.

    Source: Sohn, "Improved deep metric learning with multi-class N-pair loss objective", NIPS 2016, equations 7 and 10.

    Args:
        reg_lambda: weight of the lengths.
        same_class_negatives: they do count, as in the old stack; it matters where a batch has several pairs of a class.
    """

    def __init__(
        self, reg_lambda: float = 0.01, same_class_negatives: bool = False, feature_from: str = "features"
    ) -> None:
        super().__init__(feature_from)
        self.reg_lambda = reg_lambda
        self.same_class_negatives = same_class_negatives

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        first, second = _pairs_in_order(labels)
        anchors, positives = features[first], features[second]
        logits = anchors @ positives.T
        if not self.same_class_negatives:
            itself = torch.eye(len(first), dtype=torch.bool, device=labels.device)
            alike = (labels[first][:, None] == labels[second][None, :]) & ~itself
            logits = logits.masked_fill(alike, float("-inf"))
        entropy = mean_or_zero(logits.logsumexp(dim=1) - logits.diagonal())
        lengths = torch.cat([anchors, positives]).square().sum(dim=1)
        return entropy + 0.5 * self.reg_lambda * mean_or_zero(lengths)


def _pairs_in_order(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the pairs of one class: first with second, third with fourth in the order of the batch."""
    order = torch.argsort(labels, stable=True)
    classes = labels[order]
    places = torch.arange(len(labels), device=labels.device)
    starts = torch.searchsorted(classes, classes)
    anchors = ((places - starts) % 2 == 0) & (places + 1 < len(labels))
    anchors[:-1] &= classes[:-1] == classes[1:]
    return order[places[anchors]], order[places[anchors] + 1]
