"""The shipped extractor: the RecModel of EfficientNet-Lite0 and a linear neck, its pictures, its closed-form neck."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training.export.network import EmbeddingNetwork
from training.recmodel.backbones import efficientnet_lite0
from training.recmodel.backbones.efficientnet_lite import FEATURES, EfficientNetLite
from training.recmodel.closed_form import closed_form_neck
from training.recmodel.model import RecModel, inference
from training.recmodel.necks import FC

DIM = 512
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


class ShippedExtractor(RecModel):
    """EfficientNet-Lite0 and a neck of ``dim`` outputs on its unit features.

    It is always in evaluation mode: with fixed batch-norm statistics small batches do no harm, and weights may be
    averaged.
    """

    backbone: EfficientNetLite
    neck: FC

    def __init__(self, dim: int = DIM, pretrained: bool = False) -> None:
        super().__init__(efficientnet_lite0(pretrained), FC(FEATURES, dim, normalize_input=True))
        self.eval()

    def freeze(self, blocks: int) -> None:
        """Take the stem and the first ``blocks`` blocks out of training; nothing if that is 0."""
        if blocks:
            self.backbone.get_submodule("stem").requires_grad_(False)
            for block in list(self.backbone.get_submodule("blocks").children())[:blocks]:
                block.requires_grad_(False)

    def train(self, mode: bool = True) -> "ShippedExtractor":
        """Stay in evaluation mode."""
        return super().train(False)


def pixels(images: Tensor) -> Tensor:
    """Pictures ``(N, H, W, 3)`` uint8 RGB as the backbone takes them: ``(N, 3, H, W)`` float32, (x - 127) / 128."""
    return (images.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_SCALE


def served(features: nn.Module) -> EmbeddingNetwork:
    """From pictures ``(N, H, W, 3)`` uint8 RGB to what ``features`` gives for their ``pixels``, at unit length."""
    return EmbeddingNetwork(features, 1.0, (PIXEL_MEAN,) * 3, (PIXEL_SCALE,) * 3)


def served_extractor(model: ShippedExtractor) -> EmbeddingNetwork:
    """From pictures ``(N, H, W, 3)`` uint8 RGB to unit embeddings ``(N, dim)``."""
    return served(inference(model))


def trunk_features(backbone: nn.Module, batches: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Unit features ``(N, 1280)`` that a backbone gives for batches of crops."""
    with torch.inference_mode():
        return np.concatenate([F.normalize(backbone(pixels(torch.from_numpy(batch)))).numpy() for batch in batches])


def set_closed_form_neck(
    model: ShippedExtractor, features: NDArray[np.float32], labels: NDArray[np.integer], shrinkage: float = 0.5
) -> None:
    """Replace the neck of ``model`` by the closed-form one fitted on ``features``."""
    layer = model.neck.fc
    weight, bias = closed_form_neck(features, labels, layer.out_features, shrinkage)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def mixed(start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """``share`` x tuned + (1 - share) x start, weight by weight (Wortsman et al., WiSE-FT, CVPR 2022)."""
    return {
        name: torch.lerp(value, tuned[name], share) if value.is_floating_point() else value
        for name, value in start.items()
    }
