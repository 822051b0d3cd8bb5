"""Backbones that give feature maps at strides 8, 16 and 32."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.picodet.layers import ConvNorm
from training.recmodel.backbones.efficientnet_lite import efficientnet_lite0

# (kernel, input channels, output channels, stride, squeeze-excitation) per block, at scale 1.
LCNET_STAGES = (
    ((3, 16, 32, 1, False),),
    ((3, 32, 64, 2, False), (3, 64, 64, 1, False)),
    ((3, 64, 128, 2, False), (3, 128, 128, 1, False)),
    ((3, 128, 256, 2, False), *((5, 256, 256, 1, False),) * 5),
    ((5, 256, 512, 2, True), (5, 512, 512, 1, True)),
)


class Backbone(nn.Module, ABC):
    """Base of the backbones: what the neck and the normalisation must know.

    ``channels`` are those of the three maps; the input is ``(pixels - mean) / std`` per channel.
    """

    channels: tuple[int, int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @abstractmethod
    def freeze_early(self, blocks: int) -> None:
        """Stop training of the stem and the first ``blocks`` blocks."""


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, never below 0.9 of ``value`` (MobileNet's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class SqueezeExcite(nn.Module):
    """Channel gate: global mean, reduction to a quarter, hard-sigmoid (Hu et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // 4, 1)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.relu(self.conv1(x.mean(dim=(2, 3), keepdim=True)))
        return x * nn.functional.hardsigmoid(self.conv2(gate))


class LCNetBlock(nn.Module):
    """Depth-wise convolution, optional channel gate, 1x1 convolution."""

    def __init__(self, kernel: int, inputs: int, outputs: int, stride: int, gated: bool) -> None:
        super().__init__()
        self.dw_conv = ConvNorm(inputs, inputs, kernel, stride, groups=inputs)
        self.se = SqueezeExcite(inputs) if gated else nn.Identity()
        self.pw_conv = ConvNorm(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pw_conv(self.se(self.dw_conv(x)))
        return y


class LCNet(Backbone):
    """PP-LCNet (Cui et al., 2021) without its classifier; randomly initialised."""

    mean = (123.675, 116.28, 103.53)
    std = (58.395, 57.12, 57.375)

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, make_divisible(16 * scale), 3, 2)
        stages = []
        for stage in LCNET_STAGES:
            blocks = [
                LCNetBlock(kernel, make_divisible(inputs * scale), make_divisible(outputs * scale), stride, gated)
                for kernel, inputs, outputs, stride, gated in stage
            ]
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        c3, c4, c5 = (make_divisible(base * scale) for base in (128, 256, 512))
        self.channels = (c3, c4, c5)

    def freeze_early(self, blocks: int) -> None:
        order = [self.conv1, *(module for module in self.modules() if isinstance(module, LCNetBlock))]
        for module in order[: blocks + 1]:
            module.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = []
        x = self.conv1(x)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[2], maps[3], maps[4]


class Lite0(Backbone):
    """EfficientNet-Lite0 with its ImageNet batch norms folded into the convolutions.

    Small batches would spoil the statistics, so they stay ImageNet's; once fixed, a batch norm is a part
    of its convolution, which makes training cheaper. Its shift, now the bias, is not trained.
    """

    channels = (40, 112, 320)
    mean = (127.0, 127.0, 127.0)
    std = (128.0, 128.0, 128.0)

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        net = efficientnet_lite0(pretrained).eval()
        del net.head
        fold_norms(net)
        self.net = net

    def freeze_early(self, blocks: int) -> None:
        for module in (self.net.stem, *self.net.blocks[:blocks]):
            module.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.stages(x)


def fold_norms(module: nn.Module) -> None:
    """Replace every convolution followed by a batch norm below ``module`` by the one convolution they amount to."""
    for child in module.modules():
        if isinstance(child, nn.Sequential) and len(child) > 1 and isinstance(child[1], nn.BatchNorm2d):
            folded = fuse_conv_bn_eval(child[0], child[1])  # type: ignore[type-var]
            folded.bias.requires_grad_(False)
            child[0] = folded
            child[1] = nn.Identity()


def build_backbone(name: str, pretrained: bool) -> Backbone:
    """Make ``lite0`` or ``lcnet-<scale>`` (such as ``lcnet-0.75``).

    Args:
        pretrained: load ImageNet weights (``lite0`` only).

    Raises:
        ValueError: for an unknown name, or if there are no weights for it.
    """
    if name == "lite0":
        return Lite0(pretrained)
    kind, _, scale = name.partition("-")
    if kind != "lcnet" or not scale:
        raise ValueError(f"unknown backbone {name!r}: lite0 or lcnet-<scale>")
    if pretrained:
        raise ValueError(f"no ImageNet weights for {name}")
    return LCNet(float(scale))
