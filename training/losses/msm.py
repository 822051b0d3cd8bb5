"""Margin sample mining, the quadruplet loss of the 2018 recipes."""

from torch import Tensor
from torch.nn import functional as F

from training.losses.base import FeatureLoss
from training.losses.pairs import classes_by_place, pair_masks, squared_distances
from training.losses.registry import LOSSES
from training.numerics import unit


@LOSSES.register("MSMLoss", "QuadrupletLoss")
class MSMLoss(FeatureLoss):
    """max(0, greatest distance of a positive pair - least of a negative pair + margin), one number for the batch, on
    squared distances of unit features.

    The gradient is the true one: that of the old framework was twice as long, which is not reproduced (weight 2.0 gives
    its step). The quadruplet loss of the 2018 scripts is this loss.

    Source: Xiao et al., "Margin sample mining loss", 2017, equation 6.

    Args:
        margin: squared distance.
        batch_size: read from old files, not needed.
        samples_each_class: needed with ``by_place`` alone.
        by_place: groups of ``samples_each_class`` rows are the classes, as in the old stack; labels are not read.
    """

    def __init__(
        self,
        margin: float = 0.1,
        batch_size: int | None = None,
        samples_each_class: int | None = None,
        by_place: bool = False,
        feature_from: str = "features",
    ) -> None:
        super().__init__(feature_from)
        self.margin = margin
        self.by_place, self.each = by_place, samples_each_class

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        if self.by_place:
            labels = classes_by_place(len(labels), self.each, "MSMLoss", labels.device)
        vectors = unit(features)
        distances = squared_distances(vectors, vectors)
        positive, negative = pair_masks(labels)
        if not (positive.any() and negative.any()):
            return distances.sum() * 0
        return F.relu(distances[positive].max() - distances[negative].min() + self.margin)
