"""Classification and margin heads: features ``(N, D)`` and labels ``(N,)`` or None to logits ``(N, classes)``."""

from training.recmodel.heads.registry import HEADS

__all__ = ["HEADS"]
