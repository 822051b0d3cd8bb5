"""Classification and margin heads: features ``(N, D)`` and labels ``(N,)`` or None to logits ``(N, classes)``."""

from training.recmodel.heads.fc import FC
from training.recmodel.heads.margins import (
    AdaMargin,
    ArcMargin,
    CircleMargin,
    CosMargin,
    MarginHead,
    SubCenterArcMargin,
)
from training.recmodel.heads.registry import HEADS

__all__ = [
    "FC",
    "HEADS",
    "AdaMargin",
    "ArcMargin",
    "CircleMargin",
    "CosMargin",
    "MarginHead",
    "SubCenterArcMargin",
]
