"""A regulariser that spreads the features over the sphere."""

import torch
from torch import Tensor

from training.losses.base import FeatureLoss
from training.losses.pairs import mean_or_zero
from training.losses.registry import LOSSES
from training.numerics import unit


@LOSSES.register()
class KoLeo(FeatureLoss):
    """- mean ln(distance to the nearest other feature of the batch + eps), on unit features; labels are not read.

    Source: Sablayrolles et al., "Spreading vectors for similarity search", ICLR 2019, equation 2.
    """

    def __init__(self, eps: float = 1e-8, feature_from: str = "features") -> None:
        super().__init__(feature_from)
        self.eps = eps

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features)
        if len(vectors) < 2:
            return vectors.sum() * 0
        with torch.no_grad():
            nearest = (vectors @ vectors.T).fill_diagonal_(float("-inf")).argmax(dim=1)
        distances = (vectors - vectors[nearest]).norm(dim=1)
        return -mean_or_zero((distances + self.eps).log())
