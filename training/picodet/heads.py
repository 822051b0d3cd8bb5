"""Heads of PicoDet: per level a tower of separable convolutions, then class and distance outputs.

A head gives class outputs ``(N, A, classes)`` and distance logits ``(N, A, 4 * (reg_max + 1))`` over the A cells of all
levels, finest first, row by row. What the class outputs are, logits or probabilities, differs; ``scores`` tells.
"""

import math

import torch
from torch import Tensor, nn

from training.picodet.layers import Separable
from training.recmodel.backbones.layers import ConvNorm
from training.registry import Registry

PRIOR = 0.01  # probability of an object that an untrained cell claims
KERNEL = 5
ROOT_EPS = 1e-9

HEADS: Registry[nn.Module] = Registry("detector head")


@HEADS.register()
class PicoHead(nn.Module):
    """Head of the first PicoDet: one output convolution a level; class outputs are logits."""

    def __init__(
        self, channels: int, depth: int, classes: int, levels: int = 4, reg_max: int = 7, act: str = "hard_swish"
    ) -> None:
        super().__init__()
        self.classes = classes
        self.towers = _towers(channels, depth, levels, act)
        self.outputs = nn.ModuleList(nn.Conv2d(channels, classes + 4 * (reg_max + 1), 1) for _ in range(levels))
        for output in self.outputs:
            _initialise(output, std=0.01, bias=-math.log((1 - PRIOR) / PRIOR))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        levels = []
        for x, tower, output in zip(maps, self.towers, self.outputs, strict=True):
            levels.append(_cells(output(tower(x))))
        cells = torch.cat(levels, dim=1)
        return cells[..., : self.classes], cells[..., self.classes :]

    @staticmethod
    def scores(class_outputs: Tensor) -> Tensor:
        """Probabilities of the class outputs."""
        return class_outputs.sigmoid()


class EseGate(nn.Module):
    """Effective squeeze-and-excitation: channels weighed by a sigmoid of their means, then a 1x1 convolution."""

    def __init__(self, channels: int, act: str) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)
        self.conv = ConvNorm(channels, channels, act=act)
        _initialise(self.fc, std=0.001, bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x * self.fc(x.mean(dim=(2, 3), keepdim=True)).sigmoid())
        return y


class AlignBranch(nn.Sequential):
    """How well class and box of a cell agree: a full 5x5 convolution to one map, then a 1x1 one, both normalised."""

    def __init__(self, channels: int, act: str) -> None:
        super().__init__(ConvNorm(channels, 1, KERNEL, act=act), ConvNorm(1, 1, act=None))


@HEADS.register()
class PicoHeadV2(nn.Module):
    """Head of the 2022 PicoDet ("ETA head"): gated features, separate outputs; class outputs are probabilities.

    A score is ``sqrt(sigmoid(class) * sigmoid(align))``, with one alignment for all classes of a cell.
    """

    def __init__(
        self, channels: int, depth: int, classes: int, levels: int = 4, reg_max: int = 7, act: str = "hard_swish"
    ) -> None:
        super().__init__()
        self.towers = _towers(channels, depth, levels, act)
        self.gates = nn.ModuleList(EseGate(channels, act) for _ in range(levels))
        self.class_outputs = nn.ModuleList(nn.Conv2d(channels, classes, 1) for _ in range(levels))
        self.distance_outputs = nn.ModuleList(nn.Conv2d(channels, 4 * (reg_max + 1), 1) for _ in range(levels))
        self.align = nn.ModuleList(AlignBranch(channels, act) for _ in range(levels))
        for output in self.class_outputs:
            _initialise(output, std=0.01, bias=-math.log((1 - PRIOR) / PRIOR))
        for output in self.distance_outputs:
            _initialise(output, std=0.01, bias=0.0)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        scores, distances = [], []
        for level, x in enumerate(maps):
            tower = self.towers[level](x)
            gated = self.gates[level](tower)
            claimed = self.class_outputs[level](gated).sigmoid() * self.align[level](tower).sigmoid()
            scores.append(_cells((claimed + ROOT_EPS).sqrt()))
            distances.append(_cells(self.distance_outputs[level](gated)))
        return torch.cat(scores, dim=1), torch.cat(distances, dim=1)

    @staticmethod
    def scores(class_outputs: Tensor) -> Tensor:
        """Probabilities of the class outputs."""
        return class_outputs


def _towers(channels: int, depth: int, levels: int, act: str) -> nn.ModuleList:
    def tower() -> nn.Sequential:
        return nn.Sequential(*(Separable(channels, channels, KERNEL, act=act) for _ in range(depth)))

    return nn.ModuleList(tower() for _ in range(levels))


def _initialise(conv: nn.Module, std: float, bias: float) -> None:
    nn.init.normal_(conv.weight, std=std)  # type: ignore[arg-type]
    nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]


def _cells(x: Tensor) -> Tensor:
    """``(N, C, H, W)`` -> ``(N, H * W, C)``."""
    return x.flatten(2).transpose(1, 2)
