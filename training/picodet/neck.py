"""CSP-PAN: top-down and bottom-up feature pyramid of PicoDet with a fourth level at stride 64."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.picodet.layers import ConvNorm, Separable


class CSPBlock(nn.Module):
    """Cross-stage partial block: one half goes through a bottleneck, the other past it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.main_conv = ConvNorm(inputs, half)
        self.short_conv = ConvNorm(inputs, half)
        self.bottleneck = nn.Sequential(ConvNorm(half, half), Separable(half))
        self.final_conv = ConvNorm(2 * half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        main = self.bottleneck(self.main_conv(x))
        y: Tensor = self.final_conv(torch.cat([main, self.short_conv(x)], dim=1))
        return y


class CSPPan(nn.Module):
    """Feature maps at strides 8, 16, 32 -> four maps of ``channels`` channels at strides 8, 16, 32, 64."""

    def __init__(self, inputs: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvNorm(width, channels) for width in inputs)
        self.top_down = nn.ModuleList(CSPBlock(2 * channels, channels) for _ in range(2))
        self.downsample = nn.ModuleList(Separable(channels, stride=2) for _ in range(2))
        self.bottom_up = nn.ModuleList(CSPBlock(2 * channels, channels) for _ in range(2))
        self.first_top = Separable(channels, stride=2)
        self.second_top = Separable(channels, stride=2)

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        c3, c4, c5 = (conv(x) for conv, x in zip(self.lateral, maps, strict=True))
        n4 = self.top_down[0](torch.cat([_upsample(c5, c4), c4], dim=1))
        p3 = self.top_down[1](torch.cat([_upsample(n4, c3), c3], dim=1))
        p4 = self.bottom_up[0](torch.cat([self.downsample[0](p3), n4], dim=1))
        p5 = self.bottom_up[1](torch.cat([self.downsample[1](p4), c5], dim=1))
        return [p3, p4, p5, self.first_top(c5) + self.second_top(p5)]


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="nearest")
