"""Multi-similarity loss."""

from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch import Tensor

from training.losses.base import FeatureLoss
from training.losses.registry import LOSSES
from training.numerics import unit


@LOSSES.register()
class MultiSimilarity(FeatureLoss):
    """Multi-similarity loss: mean over pictures of ln(1 + sum of exp(-alpha (s - base)) over positives) / alpha +
    ln(1 + sum of exp(beta (s - base)) over negatives) / beta, over the mined pairs.

    Mined: a positive less similar than the most similar negative + epsilon, a negative more similar than the least
    similar positive - epsilon.

    Source: Wang et al., "Multi-similarity loss with general pair weighting", CVPR 2019, equations 11, 12 and 15.

    Args:
        alpha, beta: scales of the cosines of positives and negatives.
        base: cosine.
        epsilon: cosine; None takes all pairs.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        epsilon: float | None = 0.1,
        feature_from: str = "features",
    ) -> None:
        super().__init__(feature_from)
        distance = DotProductSimilarity(normalize_embeddings=False)
        self.miner = None if epsilon is None else MultiSimilarityMiner(epsilon, distance=distance)
        self.loss = MultiSimilarityLoss(alpha, beta, base, distance=distance)

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features)
        value: Tensor = self.loss(vectors, labels, self.miner(vectors, labels) if self.miner else None)
        return value
