"""PicoHead: per level a tower of separable convolutions and one output convolution."""

import math

import torch
from torch import Tensor, nn

from training.picodet.layers import Separable

BINS = 8  # distances 0..7 in units of the stride, for each of left, top, right, bottom
LEVELS = 4
PRIOR = 0.01  # probability of an object that an untrained cell claims


class PicoHead(nn.Module):
    """Four maps -> class logits ``(N, A, classes)`` and distance logits ``(N, A, 4 * BINS)``.

    The A cells are those of strides 8, 16, 32, 64 in this order, row by row.
    """

    def __init__(self, channels: int, depth: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        towers = (nn.Sequential(*(Separable(channels) for _ in range(depth))) for _ in range(LEVELS))
        self.towers = nn.ModuleList(towers)
        self.outputs = nn.ModuleList(nn.Conv2d(channels, classes + 4 * BINS, 1) for _ in range(LEVELS))
        for output in self.outputs:
            nn.init.normal_(output.weight, std=0.01)  # type: ignore[arg-type]
            nn.init.constant_(output.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        levels = []
        for x, tower, output in zip(maps, self.towers, self.outputs, strict=True):
            levels.append(output(tower(x)).flatten(2).transpose(1, 2))
        cells = torch.cat(levels, dim=1)
        return cells[..., : self.classes], cells[..., self.classes :]
