"""Feature pyramids of PicoDet: top-down, bottom-up, and a fourth level at stride 64."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.picodet.layers import Separable
from training.recmodel.backbones.layers import ConvNorm
from training.registry import Registry

KERNEL = 5

NECKS: Registry[nn.Module] = Registry("detector neck")


class CSPBlock(nn.Module):
    """Cross-stage partial block: one half goes through a bottleneck, the other past it."""

    def __init__(self, inputs: int, outputs: int, act: str) -> None:
        super().__init__()
        half = outputs // 2
        self.main_conv = ConvNorm(inputs, half, act=act)
        self.short_conv = ConvNorm(inputs, half, act=act)
        self.final_conv = ConvNorm(2 * half, outputs, act=act)
        self.bottleneck = nn.Sequential(ConvNorm(half, half, act=act), Separable(half, half, KERNEL, act=act))

    def forward(self, x: Tensor) -> Tensor:
        main = self.bottleneck(self.main_conv(x))
        y: Tensor = self.final_conv(torch.cat([main, self.short_conv(x)], dim=1))
        return y


class LCBlock(nn.Sequential):
    """Two separable convolutions, the second narrows to ``outputs``."""

    def __init__(self, inputs: int, outputs: int, act: str) -> None:
        super().__init__(
            Separable(inputs, inputs, KERNEL, act=act),
            Separable(inputs, outputs, KERNEL, act=act),
        )


class Pan(nn.Module):
    """Path aggregation (Liu et al., 2018): maps at strides 8, 16, 32 -> ``levels`` maps of ``channels`` channels.

    Args:
        inputs: channels of the three maps.
        levels: 3, or 4 with one more at stride 64.
        block: makes the fusing block of (channels in, channels out, activation).
    """

    def __init__(
        self,
        inputs: tuple[int, int, int],
        channels: int,
        levels: int,
        act: str,
        block: Callable[[int, int, str], nn.Module],
    ) -> None:
        super().__init__()

        def down() -> Separable:
            return Separable(channels, channels, KERNEL, 2, act)

        self.lateral = nn.ModuleList(ConvNorm(width, channels, act=act) for width in inputs)
        self.top_down = nn.ModuleList(block(2 * channels, channels, act) for _ in range(2))
        self.downsample = nn.ModuleList(down() for _ in range(2))
        self.bottom_up = nn.ModuleList(block(2 * channels, channels, act) for _ in range(2))
        self.first_top: nn.Module | None = down() if levels == 4 else None
        self.second_top: nn.Module | None = down() if levels == 4 else None

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        c3, c4, c5 = (conv(x) for conv, x in zip(self.lateral, maps, strict=True))
        n4 = self.top_down[0](torch.cat([_upsample(c5, c4), c4], dim=1))
        p3 = self.top_down[1](torch.cat([_upsample(n4, c3), c3], dim=1))
        p4 = self.bottom_up[0](torch.cat([self.downsample[0](p3), n4], dim=1))
        p5 = self.bottom_up[1](torch.cat([self.downsample[1](p4), c5], dim=1))
        if self.first_top is None or self.second_top is None:
            return [p3, p4, p5]
        return [p3, p4, p5, self.first_top(c5) + self.second_top(p5)]


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="nearest")


@NECKS.register("CSPPAN")
def csp_pan(inputs: tuple[int, int, int], channels: int, levels: int = 4, act: str = "hard_swish") -> Pan:
    """CSP-PAN of the first PicoDet."""
    return Pan(inputs, channels, levels, act, CSPBlock)


@NECKS.register("LCPAN")
def lc_pan(inputs: tuple[int, int, int], channels: int, levels: int = 4, act: str = "hard_swish") -> Pan:
    """LC-PAN of the 2022 PicoDet."""
    return Pan(inputs, channels, levels, act, LCBlock)
