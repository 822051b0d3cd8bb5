"""EML loss of the 2018 recipes."""

import math

from torch import Tensor
from torch.nn import functional as F

from training.losses.base import FeatureLoss
from training.losses.pairs import classes_by_place, mean_or_zero, pair_masks, squared_distances
from training.losses.registry import LOSSES


@LOSSES.register()
class EmlLoss(FeatureLoss):
    """mean over the rows that have both of ln(1 + beta p n) / ln(1 + beta), with p the mean of exp(d) over the
    positives and n that of exp(-d) over the negatives of a row; d: squared distance of the features as they are.

    Counted in logarithms, so that no distance overflows; the old stack goes over to the logarithmic form where the
    greatest positive exceeds the least negative distance by 20.

    Source: PaddleCV metric_learning (2018), EmlLoss.

    Args:
        batch_size: read from old files, not needed.
        samples_each_class: needed with ``by_place`` alone.
        beta: weight of p n.
        by_place: groups of ``samples_each_class`` rows are the classes, as in the old stack; labels are not read.
    """

    def __init__(
        self,
        batch_size: int | None = None,
        samples_each_class: int | None = None,
        beta: float = 1e5,
        by_place: bool = False,
        feature_from: str = "features",
    ) -> None:
        super().__init__(feature_from)
        self.beta = beta
        self.by_place, self.each = by_place, samples_each_class

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        if self.by_place:
            labels = classes_by_place(len(labels), self.each, "EmlLoss", labels.device)
        distances = squared_distances(features, features)
        positive, negative = pair_masks(labels)
        rows = positive.any(dim=1) & negative.any(dim=1)
        apart = _log_mean_exp(distances[rows], positive[rows])
        close = _log_mean_exp(-distances[rows], negative[rows])
        return mean_or_zero(F.softplus(math.log(self.beta) + apart + close)) / math.log1p(self.beta)


def _log_mean_exp(values: Tensor, mask: Tensor) -> Tensor:
    """ln of the mean of exp(values) under the mask, per row ``(R,)``; every row has an entry."""
    return values.masked_fill(~mask, float("-inf")).logsumexp(dim=1) - mask.sum(dim=1).to(values.dtype).log()
