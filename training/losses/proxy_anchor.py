"""Proxy-anchor loss."""

from pytorch_metric_learning.losses import ProxyAnchorLoss
from torch import Tensor

from training.losses.base import FeatureLoss
from training.losses.registry import LOSSES


@LOSSES.register()
class ProxyAnchor(FeatureLoss):
    """Proxy-anchor loss: one learned proxy per class is the anchor of all pictures of the batch.

    mean over the classes in the batch of ln(1 + sum of exp(-alpha (s - margin)) over the class's pictures) + mean over
    all classes of ln(1 + sum of exp(alpha (s + margin)) over the other pictures), s: cosine to the proxy.

    Source: Kim et al., "Proxy anchor loss for deep metric learning", CVPR 2020, equation 4.

    Args:
        num_classes, embedding_size: the proxies.
        margin: cosine.
        alpha: scale of the cosines.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        margin: float = 0.1,
        alpha: float = 32.0,
        feature_from: str = "features",
    ) -> None:
        super().__init__(feature_from)
        self.loss = ProxyAnchorLoss(num_classes, embedding_size, margin, alpha)

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        directed = features.any(dim=1)
        value: Tensor = self.loss(features[directed], labels[directed])
        return value
