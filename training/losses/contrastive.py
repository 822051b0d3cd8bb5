"""Contrastive loss on cosines, alone and with a memory of earlier batches."""

from torch import Tensor

from training.losses.base import FeatureLoss
from training.losses.memory import CrossBatchMemory
from training.losses.pairs import pair_masks
from training.losses.registry import LOSSES
from training.numerics import unit


@LOSSES.register()
class ContrastiveLoss(FeatureLoss):
    """Per picture, with its cosines s to the others: sum of 1 - s over those of its class with s < 1 - epsilon, plus
    sum of s over those of other classes with s > margin; then the mean over the batch.

    Source: Wang et al., "Cross-batch memory for embedding learning", CVPR 2020, equation 2 and its code.

    Args:
        margin: cosine.
        embedding_size: read from old files, not needed.
        normalize_feature: cosines; otherwise inner products.
        epsilon: pairs of a class as near as this are done.
    """

    def __init__(
        self,
        margin: float = 0.5,
        embedding_size: int | None = None,
        normalize_feature: bool = True,
        epsilon: float = 1e-5,
        feature_from: str = "features",
    ) -> None:
        super().__init__(feature_from)
        self.margin, self.epsilon = margin, epsilon
        self.normalize_feature = normalize_feature

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features) if self.normalize_feature else features
        return self._of_pairs(vectors @ vectors.T, *pair_masks(labels))

    def _of_pairs(self, similarities: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        apart = (1 - similarities)[positive & (similarities < 1 - self.epsilon)].sum()
        close = similarities[negative & (similarities > self.margin)].sum()
        return (apart + close) / len(similarities)


@LOSSES.register("ContrastiveLoss_XBM")
class ContrastiveLossXBM(ContrastiveLoss):
    """``ContrastiveLoss`` of the batch + ``xbm_weight`` x the same of batch against memory.

    Args:
        xbm_size: pictures in the memory.
        start_iter: training batches before the memory is used.
        embedding_size: length of the features.
        upstream_memory: a memory as in the old stack, see ``CrossBatchMemory``.
        others: as of ``ContrastiveLoss``.
    """

    def __init__(
        self,
        xbm_size: int,
        xbm_weight: float,
        start_iter: int,
        embedding_size: int,
        margin: float = 0.5,
        normalize_feature: bool = True,
        epsilon: float = 1e-5,
        feature_from: str = "features",
        upstream_memory: bool = False,
    ) -> None:
        super().__init__(margin, embedding_size, normalize_feature, epsilon, feature_from)
        self.xbm_weight = xbm_weight
        self.memory = CrossBatchMemory(xbm_size, embedding_size, start_iter, upstream_memory)

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features) if self.normalize_feature else features
        return self.memory.loss(vectors, labels, self._of_pairs, self.xbm_weight)
