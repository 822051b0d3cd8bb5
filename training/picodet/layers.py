"""Convolution blocks shared by backbone, neck and head (Yu et al., "PP-PicoDet", 2021)."""

from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, hard-swish; padded so that stride 1 keeps the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


class Separable(nn.Sequential):
    """Depth-wise convolution, then 1x1, each followed by batch norm and hard-swish; keeps the channels."""

    def __init__(self, channels: int, kernel: int = 5, stride: int = 1) -> None:
        super().__init__(
            ConvNorm(channels, channels, kernel, stride, groups=channels),
            ConvNorm(channels, channels),
        )
