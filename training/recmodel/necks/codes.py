"""Necks of hashing models: numbers that their signs stand for."""

import torch
from torch import Tensor, nn

from training.recmodel.necks.linear import linear
from training.recmodel.necks.registry import NECKS


@NECKS.register()
class Tanh(nn.Module):
    """tanh of the flattened features."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.tanh(features.flatten(1))


@NECKS.register()
class HashNeck(nn.Module):
    """Linear layer to ``bits`` numbers: their tanh in training, their signs (-1 or 1) in evaluation.

    Source of tanh in the place of the sign: Cao et al., "HashNet", ICCV 2017.
    """

    def __init__(self, embedding_size: int, bits: int) -> None:
        super().__init__()
        self.fc = linear(embedding_size, bits)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, embedding_size)`` to ``(N, bits)``."""
        codes: Tensor = self.fc(features.flatten(1))
        return torch.tanh(codes) if self.training else torch.where(codes >= 0, 1.0, -1.0).to(codes)
