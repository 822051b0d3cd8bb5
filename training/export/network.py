"""What is exported of a trained network: the function from pictures to embeddings."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.evaluation.binary import THRESHOLDS, Binarisation

Output = Literal["embedding", "bits"]


class EmbeddingNetwork(nn.Module):
    """Pictures as they come, ``(N, H, W, 3)`` uint8 RGB, to unit embeddings or packed bits.

    Args:
        features: from normalised ``(N, 3, H, W) float32`` to features ``(N, dim)``.
        scale, mean, std: pixels become ``(pixel * scale - mean) / std``, per channel.
        binarize: give the bits of a hashing model instead, ``(N, dim / 8)`` uint8: 1 where a feature is above 0
            ("sign": tanh necks) or above a half ("round": sigmoid necks), most significant bit first.
    """

    def __init__(
        self,
        features: nn.Module,
        scale: float = 1 / 255,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        binarize: Binarisation | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.output: Output = "embedding" if binarize is None else "bits"
        self._threshold = None if binarize is None else THRESHOLDS[binarize]
        # One multiplication and one addition: pixel * factor - offset.
        self.register_buffer("factor", torch.tensor([scale / s for s in std]).view(1, 3, 1, 1))
        self.register_buffer("offset", torch.tensor([m / s for m, s in zip(mean, std, strict=True)]).view(1, 3, 1, 1))
        self.register_buffer("places", torch.tensor([128.0, 64, 32, 16, 8, 4, 2, 1]))
        self.eval()

    factor: Tensor
    offset: Tensor
    places: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings ``(N, dim)`` float32 of unit length, or bits ``(N, dim / 8)`` uint8."""
        features: Tensor = self.features(images.permute(0, 3, 1, 2).float() * self.factor - self.offset)
        if self._threshold is None:
            return F.normalize(features)
        octets = (features > self._threshold).float().reshape(-1, features.shape[1] // 8, 8)
        return (octets * self.places).sum(dim=2).to(torch.uint8)
