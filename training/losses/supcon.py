"""Supervised contrastive loss."""

from torch import Tensor

from training.losses.base import FeatureLoss
from training.losses.pairs import mean_or_zero, pair_masks
from training.losses.registry import LOSSES
from training.numerics import unit


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Mean over pictures with a partner of -mean log share of each partner among all other pictures.

    Args:
        embeddings: ``(N, dim)``, usually of unit length.
        labels: ``(N,)`` class numbers.
        temperature: divides the inner products.

    Returns:
        A scalar; 0 if no class has two pictures.

    Source: Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2 (L_out).
    """
    partners, others = pair_masks(labels)
    rows = partners.any(dim=1)
    partners, others = partners[rows], others[rows]
    logits = embeddings[rows] @ embeddings.T / temperature
    norms = logits.masked_fill(~(partners | others), float("-inf")).logsumexp(dim=1, keepdim=True)
    shares = (logits - norms).masked_fill(~partners, 0).sum(dim=1) / partners.sum(dim=1)
    return mean_or_zero(-shares)


@LOSSES.register()
class SupConLoss(FeatureLoss):
    """``temperature`` / ``base_temperature`` x ``supervised_contrastive``.

    Args:
        views: read from old files, not needed: labels say what is alike, classes may have any number of pictures.
        temperature, base_temperature: divide the cosines; give the scale of the loss.
        contrast_mode: all, every picture being an anchor; there is no other.
        normalize_feature: cosines; otherwise inner products.

    Raises:
        ValueError: for another contrast_mode.
    """

    def __init__(
        self,
        views: int = 16,
        temperature: float = 0.07,
        contrast_mode: str = "all",
        base_temperature: float = 0.07,
        normalize_feature: bool = True,
        feature_from: str = "features",
    ) -> None:
        super().__init__(feature_from)
        if contrast_mode != "all":
            raise ValueError(f"contrast_mode of SupConLoss is {contrast_mode!r}; only 'all' is there")
        self.temperature = temperature
        self.scale = temperature / base_temperature
        self.normalize_feature = normalize_feature

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features) if self.normalize_feature else features
        return self.scale * supervised_contrastive(vectors, labels, self.temperature)
