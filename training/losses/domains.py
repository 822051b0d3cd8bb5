"""Losses of MetaBIN, that make pictures of several domains (cameras) alike.

The model's outputs hold ``domains`` ``(N,)``, the number of each picture's domain, besides its features.
Source: Choi et al., "Meta batch-instance normalization for generalizable person re-identification", CVPR 2021.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.base import output_of
from training.losses.cross_entropy import CELoss
from training.losses.pairs import mean_or_zero, squared_distances
from training.losses.registry import LOSSES
from training.losses.triplet import TripletLossV2
from training.numerics import class_numbers, unit

DOMAINS = "domains"
LEAST_SQUARE = 1e-12


@LOSSES.register()
class CELossForMetaBIN(CELoss):
    """``CELoss`` whose smoothing leaves the true class 1 - epsilon: ``epsilon`` C / (C - 1) of it is spread.

    Args:
        epsilon: what the other classes get together.
    """

    def __init__(self, epsilon: float | None = None) -> None:
        super().__init__(epsilon)

    def forward(self, outputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """Labels: class numbers ``(N,)`` or ``(N, 1)``."""
        logits, classes = output_of(outputs, "logits"), outputs["logits"].shape[1]
        share = self.epsilon * classes / max(1, classes - 1)
        return F.cross_entropy(logits, class_numbers(labels), label_smoothing=min(1.0, share))


@LOSSES.register()
class TripletLossForMetaBIN(TripletLossV2):
    """``TripletLossV2`` with other defaults: features as they are, margin 1."""

    def __init__(self, margin: float = 1.0, normalize_feature: bool = False, feature_from: str = "features") -> None:
        super().__init__(margin, normalize_feature, feature_from)


class _DomainLoss(nn.Module):
    """A loss of features, class numbers and domains."""

    def __init__(self, normalize_feature: bool, feature_from: str) -> None:
        super().__init__()
        self.normalize_feature, self.feature_from = normalize_feature, feature_from

    def read(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Features ``(N, D)``, of unit length if asked for, and domains ``(N,)``.

        Raises:
            ValueError: if the outputs have no domains.
        """
        features = output_of(outputs, self.feature_from)
        if DOMAINS not in outputs:
            raise ValueError(
                f"{type(self).__name__} needs the camera of each picture: it is for Global.train_mode: metabin"
            )
        return unit(features) if self.normalize_feature else features, outputs[DOMAINS]


@LOSSES.register()
class InterDomainShuffleLoss(_DomainLoss):
    """mean of ln(1 + exp(f - n)): f the distance to the furthest picture of another domain, n that to the nearest of
    another class in the own domain; over the rows that have an n. Where there is no other domain, f is 0.

    Args:
        normalize_feature: distances of unit features.
    """

    def __init__(self, normalize_feature: bool = True, feature_from: str = "features") -> None:
        super().__init__(normalize_feature, feature_from)

    def forward(self, outputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """``outputs``: features and domains; ``labels``: ``(N,)`` or ``(N, 1)``."""
        features, domains = self.read(outputs)
        numbers = class_numbers(labels)
        distances = squared_distances(features, features).clamp(min=LEAST_SQUARE).sqrt()
        itself = torch.eye(len(numbers), dtype=torch.bool, device=numbers.device)
        apart = domains[:, None] != domains[None, :]
        near = ~apart & (numbers[:, None] != numbers[None, :])
        rows = near.any(dim=1)
        furthest = distances[rows].masked_fill(~(apart | itself)[rows], float("-inf")).amax(dim=1)
        nearest = distances[rows].masked_fill(~near[rows], float("inf")).amin(dim=1)
        return mean_or_zero(F.softplus(furthest - nearest))


@LOSSES.register()
class IntraDomainScatterLoss(_DomainLoss):
    """Mean over domains of the mean cosine of their features to their mean.

    Args:
        normalize_feature: unit features make the mean.
    """

    def __init__(self, normalize_feature: bool = True, feature_from: str = "features") -> None:
        super().__init__(normalize_feature, feature_from)

    def forward(self, outputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """``outputs``: features and domains; labels are not read."""
        features, domains = self.read(outputs)
        values = []
        for domain in torch.unique(domains).tolist():
            own = features[domains == domain]
            values.append((unit(own) @ unit(own.mean(dim=0, keepdim=True)).T).mean())
        return torch.stack(values).mean()
