"""Triplet loss on cosines, with an absolute term; alone and with a memory of earlier batches."""

from torch import Tensor
from torch.nn import functional as F

from training.losses.base import FeatureLoss
from training.losses.memory import CrossBatchMemory
from training.losses.pairs import hardest, mean_or_zero, pair_masks
from training.losses.registry import LOSSES
from training.numerics import unit


@LOSSES.register()
class TripletAngularMarginLoss(FeatureLoss):
    """Hardest triplets on cosines: relu(an - ap + margin) of the rows that have both, and optionally their absolute
    place: ``absolute_loss_weight`` x (relu(ap_value - ap) + relu(an - an_value)).

    ap is the least cosine to a picture of the same class, an the greatest to one of another class. Formula of
    PP-ShiTu V2 (PaddleClas 2.5).

    Args:
        margin, ap_value, an_value: cosines.
        normalize_feature: cosines; otherwise inner products.
        reduction: mean or sum over the rows.
        add_absolute: add the absolute term.
        upstream_offset: count 1 instead of 0 for a row whose an is at most an_value, as the old stack did: a shift of
            the value without a gradient.

    Raises:
        ValueError: for another reduction.
    """

    def __init__(
        self,
        margin: float = 0.5,
        normalize_feature: bool = True,
        reduction: str = "mean",
        add_absolute: bool = False,
        absolute_loss_weight: float = 1.0,
        ap_value: float = 0.9,
        an_value: float = 0.5,
        feature_from: str = "features",
        upstream_offset: bool = False,
    ) -> None:
        super().__init__(feature_from)
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction of TripletAngularMarginLoss is {reduction!r}; it must be mean or sum")
        self.margin = margin
        self.normalize_feature = normalize_feature
        self.reduction = reduction
        self.absolute_loss_weight = absolute_loss_weight if add_absolute else 0.0
        self.ap_value, self.an_value = ap_value, an_value
        self.upstream_offset = upstream_offset

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features) if self.normalize_feature else features
        return self._of_pairs(vectors @ vectors.T, *pair_masks(labels))

    def _of_pairs(self, similarities: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        ap, an = hardest(similarities, positive, negative)
        values = F.relu(an - ap + self.margin)
        if self.absolute_loss_weight:
            above = F.relu(an - self.an_value)
            if self.upstream_offset:
                above = above.where(an > self.an_value, 1.0)
            values = values + self.absolute_loss_weight * (F.relu(self.ap_value - ap) + above)
        return mean_or_zero(values) if self.reduction == "mean" else values.sum()


@LOSSES.register("TripletAngularMarginLoss_XBM")
class TripletAngularMarginLossXBM(TripletAngularMarginLoss):
    """``TripletAngularMarginLoss`` of the batch + ``xbm_weight`` x the same of batch against memory.

    Args:
        start_iter: training batches before the memory is used.
        xbm_size: pictures in the memory.
        feat_dim: length of the features.
        upstream_memory: a memory as in the old stack, see ``CrossBatchMemory``.
        others: as of ``TripletAngularMarginLoss``.
    """

    def __init__(
        self,
        start_iter: int,
        xbm_size: int,
        xbm_weight: float,
        feat_dim: int,
        margin: float = 0.5,
        normalize_feature: bool = True,
        reduction: str = "mean",
        add_absolute: bool = False,
        absolute_loss_weight: float = 1.0,
        ap_value: float = 0.9,
        an_value: float = 0.5,
        feature_from: str = "features",
        upstream_offset: bool = False,
        upstream_memory: bool = False,
    ) -> None:
        super().__init__(
            margin,
            normalize_feature,
            reduction,
            add_absolute,
            absolute_loss_weight,
            ap_value,
            an_value,
            feature_from,
            upstream_offset,
        )
        self.xbm_weight = xbm_weight
        self.memory = CrossBatchMemory(xbm_size, feat_dim, start_iter, upstream_memory)

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features) if self.normalize_feature else features
        return self.memory.loss(vectors, labels, self._of_pairs, self.xbm_weight)
