"""ESNet, the enhanced ShuffleNet of the first PicoDet (Yu et al., "PP-PicoDet", 2021)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.picodet.backbones.base import BACKBONES, Backbone
from training.recmodel.backbones.layers import ConvNorm, SqueezeExcite, make_divisible

REPEATS = (3, 7, 3)
STEM = 24
RATIOS_S = (0.875, 0.5, 0.5, 0.5, 0.625, 0.5, 0.625, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
RATIOS_M = (0.875, 0.5, 1.0, 0.625, 0.5, 0.75, 0.625, 0.625, 0.5, 0.625, 1.0, 0.625, 0.75)
"""Widths of the 13 blocks that the authors' search found: for scale 0.75, and for 1.0 and 1.25."""


class ESBlock(nn.Module):
    """Plain block: one half of the channels passes, the other is transformed; then the halves are shuffled."""

    def __init__(self, channels: int, middle: int, act: str) -> None:
        super().__init__()
        half, narrow = channels // 2, middle // 2
        self.pw = ConvNorm(half, narrow, act=act)
        self.dw = ConvNorm(narrow, narrow, 3, groups=narrow, act=None)
        self.se = SqueezeExcite(middle)
        self.linear = ConvNorm(middle, half, act=act)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=1)
        narrow = self.pw(changed)
        changed = self.linear(self.se(torch.cat([narrow, self.dw(narrow)], dim=1)))
        return F.channel_shuffle(torch.cat([kept, changed], dim=1), 2)


class ESDownBlock(nn.Module):
    """Block of stride 2: two branches over all channels, joined and mixed by a separable convolution."""

    def __init__(self, inputs: int, outputs: int, middle: int, act: str) -> None:
        super().__init__()
        half, narrow = outputs // 2, middle // 2
        self.dw1 = ConvNorm(inputs, inputs, 3, 2, groups=inputs, act=None)
        self.linear1 = ConvNorm(inputs, half, act=act)
        self.pw2 = ConvNorm(inputs, narrow, act=act)
        self.dw2 = ConvNorm(narrow, narrow, 3, 2, groups=narrow, act=None)
        self.se = SqueezeExcite(narrow)
        self.linear2 = ConvNorm(narrow, half, act=act)
        self.dw = ConvNorm(outputs, outputs, 3, groups=outputs, act=act)
        self.pw = ConvNorm(outputs, outputs, act=act)

    def forward(self, x: Tensor) -> Tensor:
        first = self.linear1(self.dw1(x))
        second = self.linear2(self.se(self.dw2(self.pw2(x))))
        y: Tensor = self.pw(self.dw(torch.cat([first, second], dim=1)))
        return y


@BACKBONES.register()
class ESNet(Backbone):
    """ESNet; randomly initialised.

    Args:
        scale: width; the maps have 128, 256 and 512 channels times this.
        channel_ratio: width inside each of the 13 blocks.

    Raises:
        ValueError: if there are not 13 ratios.
    """

    def __init__(self, scale: float = 0.75, channel_ratio: Sequence[float] = RATIOS_S, act: str = "hard_swish") -> None:
        super().__init__()
        if len(channel_ratio) != sum(REPEATS):
            raise ValueError(f"channel_ratio: {len(channel_ratio)} numbers, wanted {sum(REPEATS)}")
        self.stem = ConvNorm(3, STEM, 3, 2, act=act)
        ratios, inputs, stages = iter(channel_ratio), STEM, []
        for base, repeats in zip((128, 256, 512), REPEATS, strict=True):
            outputs = make_divisible(base * scale)
            middles = [make_divisible(int(outputs * next(ratios))) for _ in range(repeats)]
            blocks = [ESBlock(outputs, middle, act) for middle in middles[1:]]
            stages.append(nn.Sequential(ESDownBlock(inputs, outputs, middles[0], act), *blocks))
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        c3, c4, c5 = (make_divisible(base * scale) for base in (128, 256, 512))
        self.channels = (c3, c4, c5)

    def blocks(self) -> list[nn.Module]:
        return [self.stem, *(block for stage in self.stages for block in stage)]  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(self.stem(x), 3, 2, 1)
        c3 = self.stages[0](x)
        c4 = self.stages[1](c3)
        return c3, c4, self.stages[2](c4)
