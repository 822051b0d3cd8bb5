"""Layers that several backbones share."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "hard_swish": nn.Hardswish,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    "tanh": nn.Tanh,
}


def activation(name: str | None) -> nn.Module:
    """The activation of a name; ``None`` is the identity.

    Raises:
        ValueError: for an unknown name, with the known ones.
    """
    if name is None:
        return nn.Identity()
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}: one of {', '.join(ACTIVATIONS)}, or null")
    return ACTIVATIONS[name]()


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, never below 0.9 of ``value`` (MobileNet's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def named(**layers: nn.Module | None) -> "OrderedDict[str, nn.Module]":
    """The layers that are there, in the order given: what ``nn.Sequential`` takes."""
    return OrderedDict((name, layer) for name, layer in layers.items() if layer is not None)


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm, activation; padded so that stride 1 keeps the size."""

    conv: nn.Conv2d
    bn: nn.BatchNorm2d

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int | tuple[int, int] = 1,
        groups: int = 1,
        act: str | None = "hardswish",
    ) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        super().__init__(named(conv=conv, bn=nn.BatchNorm2d(outputs), act=activation(act)))


class SqueezeExcite(nn.Module):
    """Channel gate: global mean, 1x1 to ``channels // reduction``, ReLU, 1x1, ``gate`` (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, reduction: int = 4, gate: str | nn.Module = "hardsigmoid") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // reduction, 1)
        self.conv2 = nn.Conv2d(channels // reduction, channels, 1)
        self.gate = activation(gate) if isinstance(gate, str) else gate

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        y: Tensor = x * self.gate(self.conv2(torch.relu(self.conv1(mean))))
        return y


class DownscaledDropout(nn.Module):
    """The dropout of old PP-LCNet weights: zeroes in training, multiplies by ``1 - p`` in inference.

    Ordinary dropout divides by ``1 - p`` in training instead. The two differ by this factor at inference, which
    imported weights were trained with (Paddle's mode ``downscale_in_infer``).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x * (torch.rand_like(x) >= self.p)
        return x * (1 - self.p)


def dropout(p: float, downscale_in_infer: bool) -> nn.Module:
    """Ordinary dropout, or that of imported weights."""
    return DownscaledDropout(p) if downscale_in_infer else nn.Dropout(p)


def scale_learning_rate(module: nn.Module, factor: float) -> None:
    """Give the parameters of ``module`` their own share of the learning rate; see ``parameter_rules``."""
    module.lr_multiplier = factor  # type: ignore[assignment]


def without_decay(module: nn.Module) -> None:
    """Take the batch norms of ``module`` out of weight decay; see ``parameter_rules``."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.decays = False  # type: ignore[assignment]
