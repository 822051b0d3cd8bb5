"""PicoDet: backbone, neck and head as one network."""

import inspect
from collections.abc import Mapping
from dataclasses import field
from typing import Any

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from training.picodet.backbones import BACKBONES
from training.picodet.heads import HEADS
from training.picodet.necks import NECKS

ALL_STRIDES = (8, 16, 32, 64)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ModelConfig:
    """Shape of a PicoDet; ``presets.PRESETS`` has the published ones.

    ``backbone`` names a part of ``BACKBONES`` with its own parameters; ``activation`` is that of neck and head and of
    backbones that leave it open. Distances reach ``reg_max`` strides. ``strides`` are (8, 16, 32) or (8, 16, 32, 64).
    ``mean`` and ``std`` normalise pixels of 0..255 per channel; those of the backbone if left out.
    """

    backbone: dict[str, Any] = field(default_factory=lambda: {"name": "EfficientNetLite0"})
    neck: str = "CSPPAN"
    head: str = "PicoHead"
    channels: int = 96
    tower_depth: int = 2
    classes: int = 1
    reg_max: int = 7
    strides: tuple[int, ...] = ALL_STRIDES
    activation: str = "hard_swish"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if tuple(self.strides) not in (ALL_STRIDES, ALL_STRIDES[:3]):
            raise ValueError(f"strides {list(self.strides)}: [8, 16, 32] or [8, 16, 32, 64]")


class PicoDet(nn.Module):
    """PicoDet (Yu et al., "PP-PicoDet", 2021).

    Input: ``(N, 3, H, W) float32`` RGB in 0..255. Output: class outputs ``(N, A, classes)`` and distance logits
    ``(N, A, 4 * (reg_max + 1))`` over the cells of ``boxes.cells(H, W, strides)``; ``scores`` makes probabilities
    of the former.

    Args:
        pretrained: give the backbone ImageNet weights.

    Raises:
        UnknownName: for an unknown part or parameter of it.
        ValueError: if there are no ImageNet weights for the backbone.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config
        self.backbone = BACKBONES.build(_backbone_options(config, pretrained))
        levels, act = len(config.strides), config.activation
        self.neck = NECKS.get(config.neck)(self.backbone.channels, config.channels, levels, act)
        self.head = HEADS.get(config.head)(
            config.channels, config.tower_depth, config.classes, levels, config.reg_max, act
        )
        self.register_buffer(
            "mean", torch.tensor(config.mean or self.backbone.mean).reshape(1, 3, 1, 1), persistent=False
        )
        self.register_buffer("std", torch.tensor(config.std or self.backbone.std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        outputs: tuple[Tensor, Tensor] = self.head(self.neck(self.backbone((pixels - self.mean) / self.std)))
        return outputs

    def scores(self, class_outputs: Tensor) -> Tensor:
        """Probabilities of the first output."""
        probabilities: Tensor = self.head.scores(class_outputs)  # type: ignore[operator]
        return probabilities


def _backbone_options(config: ModelConfig, pretrained: bool) -> Mapping[str, Any]:
    parameters = inspect.signature(BACKBONES.get(config.backbone["name"])).parameters
    if pretrained and "pretrained" not in parameters:
        raise ValueError(f"no ImageNet weights for {config.backbone['name']}: train it without them")
    options = dict(config.backbone)
    if "pretrained" in parameters:
        options["pretrained"] = pretrained
    if "act" in parameters:
        options.setdefault("act", config.activation)
    return options
