"""Pairwise large-margin cosine loss."""

from torch import Tensor
from torch.nn import functional as F

from training.losses.base import FeatureLoss
from training.losses.pairs import mean_or_zero, pair_masks
from training.losses.registry import LOSSES
from training.numerics import unit


@LOSSES.register()
class PairwiseCosface(FeatureLoss):
    """mean over the rows that have both of ln(1 + sum of exp(-gamma s) over positives x sum of exp(gamma (s + margin))
    over negatives), s: cosine.

    Source: He et al., "FastReID", 2020, after Sun et al., "Circle loss", CVPR 2020, equation 1.

    Args:
        margin: cosine.
        gamma: scale of the cosines.
    """

    def __init__(self, margin: float, gamma: float, feature_from: str = "features") -> None:
        super().__init__(feature_from)
        self.margin, self.gamma = margin, gamma

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features)
        positive, negative = pair_masks(labels)
        rows = positive.any(dim=1) & negative.any(dim=1)
        similarities = vectors[rows] @ vectors.T
        apart = (-self.gamma * similarities).masked_fill(~positive[rows], float("-inf")).logsumexp(dim=1)
        close = (self.gamma * (similarities + self.margin)).masked_fill(~negative[rows], float("-inf"))
        return mean_or_zero(F.softplus(apart + close.logsumexp(dim=1)))
