"""Center loss."""

import torch
from torch import Tensor, nn

from training.losses.base import FeatureLoss
from training.losses.registry import LOSSES


@LOSSES.register()
class CenterLoss(FeatureLoss):
    """mean of the squared distance of a feature to the learned centre of its class.

    The centres are parameters of the loss; old files give them an optimiser of their own under the scope CenterLoss.

    Source: Wen et al., "A discriminative feature learning approach for deep face recognition", ECCV 2016, equation 2
    (without its factor 1/2).

    Args:
        num_classes, feat_dim: the centres ``(num_classes, feat_dim)``, begun at standard normal numbers.
    """

    def __init__(self, num_classes: int, feat_dim: int, feature_from: str = "features") -> None:
        super().__init__(feature_from)
        self.centers = nn.Parameter(torch.randn(num_classes, feat_dim))

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        return (features - self.centers[labels]).square().sum(dim=1).mean()
