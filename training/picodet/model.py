"""PicoDet: backbone, neck and head as one network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.picodet.backbone import build_backbone
from training.picodet.head import PicoHead
from training.picodet.neck import CSPPan


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a PicoDet. ``S`` is 96 channels and a tower of 2, ``M`` and ``L`` are 128 or 160 and 4."""

    backbone: str = "lite0"
    channels: int = 96
    tower_depth: int = 2
    classes: int = 1


class PicoDet(nn.Module):
    """PicoDet with CSP-PAN and PicoHead (Yu et al., "PP-PicoDet", 2021).

    Input: ``(N, 3, H, W) float32`` RGB in 0..255. Output: class logits ``(N, A, classes)`` and distance
    logits ``(N, A, 32)`` over the cells of ``boxes.cells(H, W)``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone, pretrained)
        self.neck = CSPPan(self.backbone.channels, config.channels)
        self.head = PicoHead(config.channels, config.tower_depth, config.classes)
        self.register_buffer("mean", torch.tensor(self.backbone.mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.backbone.std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits: tuple[Tensor, Tensor] = self.head(self.neck(self.backbone((pixels - self.mean) / self.std)))
        return logits
