"""The embedding network: backbone, then a linear neck, both L2-normalised."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training.recmodel.backbones import efficientnet_lite0
from training.recmodel.backbones.efficientnet_lite import FEATURES
from training.recmodel.closed_form import closed_form_neck

DIM = 512
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


class ShippedExtractor(nn.Module):
    """EfficientNet-Lite0 and a neck of ``dim`` outputs. Input: ``(N, H, W, 3)`` uint8 RGB."""

    def __init__(self, dim: int = DIM, pretrained: bool = False) -> None:
        super().__init__()
        self.backbone = efficientnet_lite0(pretrained)
        self.neck = nn.Linear(FEATURES, dim)

    def features(self, images: Tensor) -> Tensor:
        """Unit trunk features ``(N, 1280)``."""
        pixels = (images.permute(0, 3, 1, 2).to(self.neck.weight.dtype) - PIXEL_MEAN) / PIXEL_SCALE
        return F.normalize(self.backbone(pixels))

    def embed(self, features: Tensor) -> Tensor:
        """Unit embeddings ``(N, dim)`` of unit trunk features."""
        return F.normalize(self.neck(features))

    def forward(self, images: Tensor) -> Tensor:
        """Unit embeddings ``(N, dim)``."""
        return self.embed(self.features(images))

    def freeze(self, blocks: int) -> None:
        """Take the stem and the first ``blocks`` blocks out of training; nothing if that is 0."""
        if blocks:
            for part in (self.backbone.stem, *self.backbone.blocks[:blocks]):
                part.requires_grad_(False)

    def train(self, mode: bool = True) -> "ShippedExtractor":
        """Batch-norm statistics stay as they are: small batches do no harm and weights may be averaged."""
        return super().train(False)


def trunk_features(model: ShippedExtractor, batches: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Unit trunk features ``(N, 1280)`` of batches of crops."""
    with torch.inference_mode():
        return np.concatenate([model.features(torch.from_numpy(batch)).numpy() for batch in batches])


def set_closed_form_neck(
    model: ShippedExtractor, features: NDArray[np.float32], labels: NDArray[np.integer], shrinkage: float = 0.5
) -> None:
    """Replace the neck of ``model`` by the closed-form one fitted on ``features``."""
    weight, bias = closed_form_neck(features, labels, model.neck.out_features, shrinkage)
    with torch.no_grad():
        model.neck.weight.copy_(torch.from_numpy(weight))
        model.neck.bias.copy_(torch.from_numpy(bias))


def mixed(start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """``share`` x tuned + (1 - share) x start, weight by weight (Wortsman et al., WiSE-FT, CVPR 2022)."""
    return {
        name: torch.lerp(value, tuned[name], share) if value.is_floating_point() else value
        for name, value in start.items()
    }
