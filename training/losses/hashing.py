"""Losses for features that become bits by their sign."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.base import FeatureLoss, output_of
from training.losses.pairs import squared_distances
from training.losses.registry import LOSSES
from training.numerics import class_numbers, unit


@LOSSES.register()
class DSHSDLoss(nn.Module):
    """Cross-entropy of the logits + ``alpha`` x mean over all ordered pairs, a picture with itself included, of d / 2
    for one class and relu(2 K - d) / 2 for two; d: squared distance of the features, K their length.

    Source: Wu et al., "Deep supervised hashing based on stable distribution" (DSHSD), IEEE Access 2019.

    Args:
        alpha: weight of the pairs.
        multi_label: False, one class per picture; there is no other form here.

    Raises:
        ValueError: for ``multi_label``.
    """

    def __init__(self, alpha: float, multi_label: bool = False, feature_from: str = "features") -> None:
        super().__init__()
        if multi_label:
            raise ValueError("DSHSDLoss takes one class per picture; remove multi_label")
        self.alpha = alpha
        self.feature_from = feature_from

    def forward(self, outputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """``outputs``: features and logits; ``labels``: ``(N,)`` or ``(N, 1)``."""
        features, numbers = output_of(outputs, self.feature_from), class_numbers(labels)
        distances = squared_distances(features, features)
        same = numbers[:, None] == numbers[None, :]
        apart = F.relu(2 * features.shape[1] - distances)
        entropy = F.cross_entropy(output_of(outputs, "logits"), numbers)
        return entropy + self.alpha * torch.where(same, distances, apart).mean() / 2


@LOSSES.register()
class LCDSHLoss(FeatureLoss):
    """Mean over all ordered pairs, a picture with itself included, of ln(1 + exp(-s a)) + ``_lambda`` x
    (sigmoid(a) - sigmoid(b))^2: a half the inner product of the features within +-50, b the same of their signs,
    s = 1 for one class and -1 for two.

    Source: Zhu et al., "Locality-constrained deep supervised hashing for image retrieval" (LCDSH), IJCAI 2017.

    Args:
        n_class: read from old files, not needed.
        _lambda: weight of the second term.
    """

    def __init__(self, n_class: int | None = None, _lambda: float = 3.0, feature_from: str = "features") -> None:
        super().__init__(feature_from)
        self.weight = _lambda

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        signs = features.sign()
        sign = torch.where(labels[:, None] == labels[None, :], 1.0, -1.0)
        products = (0.5 * features @ features.T).clamp(-50, 50)
        bits = (0.5 * signs @ signs.T).clamp(-50, 50)
        likelihood = F.softplus(-sign * products).mean()
        return likelihood + self.weight * (products.sigmoid() - bits.sigmoid()).square().mean()


@LOSSES.register()
class DCHLoss(FeatureLoss):
    """Cauchy loss of pairs, weighted so that those of one class and those of two count alike, + ``_lambda`` x Cauchy
    loss of the features' lengths from the bits.

    mean of w (s ln(d / gamma) + ln(1 + gamma / d)) + ``_lambda`` x mean of ln(1 + d(abs f, 1) / gamma), with
    d = (1 - min(cosine, 0.99)) K / 2, s = 1 for one class and 0 for two; over all ordered pairs, a picture with itself
    included.

    Source: Cao et al., "Deep Cauchy hashing for Hamming space retrieval", CVPR 2018, equations 7 and 9.

    Args:
        gamma: scale of the Cauchy distribution, in bits.
        _lambda: weight of the second term.
        n_class: read from old files, not needed.
    """

    def __init__(
        self, gamma: float, _lambda: float, n_class: int | None = None, feature_from: str = "features"
    ) -> None:
        super().__init__(feature_from)
        self.gamma, self.weight = gamma, _lambda

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors, bits = unit(features), features.shape[1]
        same = labels[:, None] == labels[None, :]
        distances = (1 - (vectors @ vectors.T).clamp(max=0.99)) * bits / 2
        costs = same * (distances / self.gamma).log() + (1 + self.gamma / distances).log()
        weights = _even_weights(same).to(costs.dtype)
        to_ones = (1 - (vectors.abs().sum(dim=1) / bits**0.5).clamp(max=0.99)) * bits / 2
        total: Tensor = (weights * costs).mean() + self.weight * (1 + to_ones / self.gamma).log().mean()
        return total


def _even_weights(same: Tensor) -> Tensor:
    """Weights of pairs by which both kinds sum up to the number of pairs; all 1 if there is one kind."""
    kinds = same.sum(), (~same).sum()
    if not all(kinds):
        return torch.ones(same.shape, device=same.device)
    return same.numel() * torch.where(same, 1 / kinds[0], 1 / kinds[1])
