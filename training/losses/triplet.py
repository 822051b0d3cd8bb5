"""Triplet losses on Euclidean distances, made of pytorch-metric-learning's parts."""

from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor
from torch.nn import functional as F

from training.losses.base import FeatureLoss
from training.losses.pairs import classes_by_place, mean_or_zero
from training.losses.registry import LOSSES
from training.numerics import unit


class _BatchHard(FeatureLoss):
    """mean of max(0, furthest positive - nearest negative + margin) over the rows that have both.

    Source: Hermans et al., "In defense of the triplet loss", 2017, equation 5 ("batch hard").
    """

    def __init__(self, margin: float, normalize_feature: bool, power: int, feature_from: str) -> None:
        super().__init__(feature_from)
        self.normalize_feature = normalize_feature
        distance = LpDistance(normalize_embeddings=False, power=power)
        self.miner = BatchHardMiner(distance=distance)
        self.loss = TripletMarginLoss(margin, distance=distance, reducer=MeanReducer())

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features) if self.normalize_feature else features
        value: Tensor = self.loss(vectors, labels, self.miner(vectors, labels))
        return value


@LOSSES.register()
class TripletLoss(_BatchHard):
    """Batch-hard triplets on the distances of the features as they are; ``margin`` in units of the features."""

    def __init__(self, margin: float = 1.0, feature_from: str = "features") -> None:
        super().__init__(margin, False, 1, feature_from)


@LOSSES.register()
class TripletLossV2(_BatchHard):
    """Batch-hard triplets on the distances of unit features, or of the features as they are.

    Classes may have any number of pictures in the batch.
    """

    def __init__(self, margin: float = 0.5, normalize_feature: bool = True, feature_from: str = "features") -> None:
        super().__init__(margin, normalize_feature, 1, feature_from)


@LOSSES.register()
class TriHardLoss(_BatchHard):
    """Batch-hard triplets on squared distances of unit features.

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
        super().__init__(margin, True, 2, feature_from)
        self.by_place, self.each = by_place, samples_each_class

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        if self.by_place:
            labels = classes_by_place(len(labels), self.each, "TriHardLoss", labels.device)
        return super().compute(features, labels)


@LOSSES.register()
class TripletLoss2018(FeatureLoss):
    """mean of max(0, d(a, p) - d(a, n) + margin) over triplets, d the squared distance of unit features.

    By default over all triplets of the batch. With ``consecutive_triplets`` over the rows as the 2018 scripts fed
    them: anchor, positive, negative, anchor, ...; labels are not read, an incomplete last triplet is left out.

    Source: Schroff et al., "FaceNet", CVPR 2015, equation 3.
    """

    def __init__(self, margin: float = 0.1, consecutive_triplets: bool = False, feature_from: str = "features") -> None:
        super().__init__(feature_from)
        self.margin = margin
        self.consecutive_triplets = consecutive_triplets
        distance = LpDistance(normalize_embeddings=False, power=2)
        self.loss = TripletMarginLoss(margin, distance=distance, reducer=MeanReducer())

    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        vectors = unit(features)
        if not self.consecutive_triplets:
            value: Tensor = self.loss(vectors, labels)
            return value
        whole = len(vectors) // 3 * 3
        anchor, positive, negative = (vectors[place:whole:3] for place in range(3))
        near, far = (anchor - positive).square().sum(dim=1), (anchor - negative).square().sum(dim=1)
        return mean_or_zero(F.relu(near - far + self.margin))
