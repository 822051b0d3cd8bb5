"""What a detector's backbone is, and the registry of them."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from training.registry import Registry

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Backbone(nn.Module, ABC):
    """Gives feature maps at strides 8, 16 and 32.

    ``channels`` are those of the three maps; the input is ``(pixels - mean) / std`` per channel.
    """

    channels: tuple[int, int, int]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """Stem and blocks in the order of computation."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(N, 3, H, W)`` -> the maps C3, C4, C5."""

    def freeze_early(self, blocks: int) -> None:
        """Stop training of the stem and the first ``blocks`` blocks; 0 freezes nothing."""
        for module in self.blocks()[: blocks + 1] if blocks else []:
            module.requires_grad_(False)


BACKBONES: Registry[Backbone] = Registry("detector backbone")
