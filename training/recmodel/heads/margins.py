"""Heads whose logits are cosines to one direction per class; in training the true class is held to a margin."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from training.numerics import class_numbers, full_precision, unit, without_autocast
from training.recmodel.attributes import Attribute, start
from training.recmodel.heads.registry import HEADS


class MarginHead(nn.Module, ABC):
    """Cosines of features to the class directions; scaled and with a margin while it trains and knows the labels.

    Counted in float32 at least, under autocast too. A feature or a direction of length zero has the cosine 0.

    Args:
        embedding_size, class_num: ``weight`` is (class_num, embedding_size), of any length, Xavier normal at first.
        weight_attr: of ``training.recmodel.attributes``.
    """

    def __init__(self, embedding_size: int, class_num: int, weight_attr: Attribute = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(class_num, embedding_size))
        start(self, "weight", weight_attr, {"name": "XavierNormal"})

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits ``(N, class_num)`` of features ``(N, embedding_size)`` and class numbers ``(N,)`` or ``(N, 1)``.

        In evaluation mode or without labels: the plain cosines, without margin and scale.
        """
        with without_autocast(features.device):
            vectors = full_precision(features.flatten(1))
            cosines = self.cosines(unit(vectors))
            if labels is None or not self.training:
                return cosines
            true = torch.zeros_like(cosines, dtype=torch.bool).scatter_(1, class_numbers(labels)[:, None], True)
            return self.logits(cosines, true, vectors)

    def cosines(self, directions: Tensor) -> Tensor:
        """Cosines ``(N, class_num)`` of unit features ``(N, embedding_size)``."""
        return directions @ unit(self.weight.to(directions.dtype)).T

    @abstractmethod
    def logits(self, cosines: Tensor, true: Tensor, features: Tensor) -> Tensor:
        """Training logits of ``cosines``; ``true`` marks the true class of every row; ``features`` at full length."""


@HEADS.register()
class ArcMargin(MarginHead):
    """scale x cos(angle + margin) for the true class, scale x cosine for the others.

    Where angle + margin would pass pi: scale x (cosine - margin sin margin). The sine is the root of
    1 - cosine^2 + 1e-6.

    Source: Deng et al., "ArcFace", CVPR 2019, equation 3, and its code for angles beyond pi.

    Args:
        margin: radians.
        scale: of all logits.
        easy_margin: a margin only where the cosine is positive.
        others: as of ``MarginHead``.
    """

    def __init__(
        self,
        embedding_size: int,
        class_num: int,
        margin: float = 0.5,
        scale: float = 80.0,
        easy_margin: bool = False,
        weight_attr: Attribute = None,
    ) -> None:
        super().__init__(embedding_size, class_num, weight_attr)
        self.margin, self.scale, self.easy_margin = margin, scale, easy_margin

    def logits(self, cosines: Tensor, true: Tensor, features: Tensor) -> Tensor:
        return self.scale * torch.where(true, turned(cosines, self.margin, self.easy_margin), cosines)


def turned(cosines: Tensor, margin: float, easy: bool = False) -> Tensor:
    """cos(angle + ``margin``) of cosines of any shape; what ``ArcMargin`` says beyond its reach."""
    sines = ((1 - cosines.square()).clamp(min=0) + 1e-6).sqrt()
    phi = cosines * math.cos(margin) - sines * math.sin(margin)
    if easy:
        return phi.where(cosines > 0, cosines)
    return phi.where(cosines > -math.cos(margin), cosines - margin * math.sin(margin))


@HEADS.register()
class SubCenterArcMargin(ArcMargin):
    """``ArcMargin`` with several directions per class, of which the nearest counts: wrong labels and rare views of a
    class do not pull at its main direction.

    Source: Deng et al., "Sub-center ArcFace", ECCV 2020, equation 3.

    Args:
        sub_centers: directions per class; ``weight`` is (class_num x sub_centers, embedding_size), those of a class
            in consecutive rows.
        others: as of ``ArcMargin``.
    """

    def __init__(
        self,
        embedding_size: int,
        class_num: int,
        sub_centers: int = 3,
        margin: float = 0.5,
        scale: float = 64.0,
        easy_margin: bool = False,
        weight_attr: Attribute = None,
    ) -> None:
        super().__init__(embedding_size, class_num * sub_centers, margin, scale, easy_margin, weight_attr)
        self.sub_centers = sub_centers

    def cosines(self, directions: Tensor) -> Tensor:
        cosines = super().cosines(directions)
        return cosines.reshape(len(cosines), -1, self.sub_centers).amax(dim=2)


@HEADS.register()
class CosMargin(MarginHead):
    """scale x (cosine - margin) for the true class, scale x cosine for the others.

    Source: Wang et al., "CosFace", CVPR 2018, equation 4.

    Args:
        margin: cosine.
        scale: of all logits.
        others: as of ``MarginHead``.
    """

    def __init__(
        self,
        embedding_size: int,
        class_num: int,
        margin: float = 0.35,
        scale: float = 64.0,
        weight_attr: Attribute = None,
    ) -> None:
        super().__init__(embedding_size, class_num, weight_attr)
        self.margin, self.scale = margin, scale

    def logits(self, cosines: Tensor, true: Tensor, features: Tensor) -> Tensor:
        return self.scale * (cosines - self.margin * true)


@HEADS.register()
class CircleMargin(MarginHead):
    """scale x a (cosine - (1 - margin)) with a = relu(1 + margin - cosine) for the true class, scale x b (cosine -
    margin) with b = relu(cosine + margin) for the others; a and b get no gradient.

    Source: Sun et al., "Circle loss", CVPR 2020, equations 5 and 6.

    Args:
        margin: cosine.
        scale: of all logits.
        others: as of ``MarginHead``.
    """

    def __init__(
        self, embedding_size: int, class_num: int, margin: float, scale: float, weight_attr: Attribute = None
    ) -> None:
        super().__init__(embedding_size, class_num, weight_attr)
        self.margin, self.scale = margin, scale

    def logits(self, cosines: Tensor, true: Tensor, features: Tensor) -> Tensor:
        fixed = cosines.detach()
        own = (1 + self.margin - fixed).clamp(min=0) * (cosines - (1 - self.margin))
        other = (fixed + self.margin).clamp(min=0) * (cosines - self.margin)
        return self.scale * torch.where(true, own, other)


@HEADS.register()
class AdaMargin(MarginHead):
    """s x (cos(angle - m g) - (m + m g)) for the true class, s x cosine for the others; g in [-1, 1] says how much
    longer the feature is than usual, in ``1 / h`` standard deviations.

    Mean and deviation of the lengths are buffers that follow the training batches; a batch of one leaves them as they
    are.

    Source: Kim et al., "AdaFace", CVPR 2022, equations 12 to 16.

    Args:
        m: margin, radians and cosine.
        h: see above.
        s: scale of all logits.
        t_alpha: share of a batch in the running mean and deviation.
        others: as of ``MarginHead``.
    """

    batch_mean: Tensor
    batch_std: Tensor

    def __init__(
        self,
        embedding_size: int,
        class_num: int,
        m: float = 0.4,
        h: float = 0.333,
        s: float = 64.0,
        t_alpha: float = 1.0,
        weight_attr: Attribute = None,
    ) -> None:
        super().__init__(embedding_size, class_num, weight_attr)
        self.m, self.h, self.s, self.t_alpha = m, h, s, t_alpha
        self.register_buffer("batch_mean", torch.full((1,), 20.0))
        self.register_buffer("batch_std", torch.full((1,), 100.0))

    def logits(self, cosines: Tensor, true: Tensor, features: Tensor) -> Tensor:
        excess = self.m * self._quality(features.detach())
        cosines = cosines.clamp(-1 + 1e-3, 1 - 1e-3)
        moved = (cosines.acos() - excess).clamp(1e-3, math.pi - 1e-3).cos()
        return self.s * torch.where(true, moved - (self.m + excess), cosines)

    def _quality(self, features: Tensor) -> Tensor:
        """g ``(N, 1)``, after the batch has joined the running statistics."""
        lengths: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True).clamp(1e-3, 100)
        if len(lengths) > 1:
            self.batch_mean.lerp_(lengths.mean().to(self.batch_mean.dtype), self.t_alpha)
            self.batch_std.lerp_(lengths.std().to(self.batch_std.dtype), self.t_alpha)
        return (self.h * (lengths - self.batch_mean) / (self.batch_std + 1e-3)).clamp(-1, 1)
