"""PP-LCNetV2: depth-wise separable blocks with parallel depth-wise branches that become one convolution.

Sources: PaddleClas, PP-LCNetV2 (2022); re-parameterisation: Ding et al., "RepVGG", CVPR 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.recmodel.backbones.layers import ConvNorm, SqueezeExcite, dropout, make_divisible, named, without_decay
from training.recmodel.backbones.registry import BACKBONES


@dataclass(frozen=True)
class _Stage:
    inputs: int
    kernel: int
    split: bool = False
    branches: bool = False
    gated: bool = False
    shortcut: bool = False


STAGES = (
    _Stage(64, 3),
    _Stage(128, 3),
    _Stage(256, 5, split=True, branches=True, gated=True),
    _Stage(512, 5, branches=True, shortcut=True),
)
"""At scale 1; every stage doubles its channels."""


class DepthwiseBranches(nn.ModuleList):
    """Depth-wise convolutions of kernels k, k - 2, ..., 1, each with batch norm, summed; 1x1 only where stride is 1."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        kernels = [size for size in range(kernel, 0, -2) if size > 1 or stride == 1]
        super().__init__(ConvNorm(channels, channels, size, stride, channels, None) for size in kernels)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self
        y: Tensor = first(x)
        for branch in others:
            y = y + branch(x)
        return y

    def merged(self) -> nn.Conv2d:
        """The one biased convolution that equals the sum of the branches in evaluation mode.

        Every branch is w * (x - mean) / sqrt(variance + eps) + shift, a convolution with bias; smaller kernels are
        padded with zeros to the largest (RepVGG, section 3.3).
        """
        branches = [fuse_conv_bn_eval(branch.conv.eval(), branch.bn.eval()) for branch in cast(list[ConvNorm], self)]
        first = branches[0]
        kernel = first.kernel_size[0]
        weights = [F.pad(branch.weight, ((kernel - branch.kernel_size[0]) // 2,) * 4) for branch in branches]
        biases = [cast(Tensor, branch.bias) for branch in branches]
        merged = nn.Conv2d(
            first.in_channels, first.out_channels, kernel, first.stride[0], kernel // 2, groups=first.groups
        )
        merged.weight = nn.Parameter(torch.stack(weights).sum(0).detach())
        merged.bias = nn.Parameter(torch.stack(biases).sum(0).detach())
        return merged


class RepSeparableConv(nn.Module):
    """Depth-wise convolution (one, or parallel branches), optional channel gate, 1x1 convolution, optional shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, stage: _Stage) -> None:
        super().__init__()
        if stage.branches:
            self.dw_conv_list = DepthwiseBranches(inputs, stage.kernel, stride)
            self.act = nn.ReLU()
        else:
            self.dw_conv = ConvNorm(inputs, inputs, stage.kernel, stride, inputs, "relu")
        if stage.gated:
            self.se = SqueezeExcite(inputs, gate="sigmoid")
        if stage.split:
            self.pw_conv_1 = ConvNorm(inputs, outputs // 2, act="relu")
            self.pw_conv_2 = ConvNorm(outputs // 2, outputs, act="relu")
        else:
            self.pw_conv = ConvNorm(inputs, outputs, act="relu")
        self.shortcut = stage.shortcut and stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.children():
            y = layer(y)
        return x + y if self.shortcut else y

    def fuse(self) -> None:
        """Put one convolution in the place of the branches."""
        layers = dict(self.named_children())
        if "dw_conv_list" not in layers:
            return
        for name in layers:
            delattr(self, name)
        for name, layer in layers.items():
            if name == "dw_conv_list":
                self.dw_conv = layer.merged()  # type: ignore[operator]
            else:
                self.add_module(name, layer)


class PPLCNetV2(nn.Sequential):
    """PP-LCNetV2 as a chain: stem, stages, avg_pool, last_conv, act, dropout, flatten, fc.

    Input: ``(N, 3, H, W)`` float RGB, ImageNet mean and deviation. Output: logits ``(N, class_num)``, or what the
    stop layer gives: ``flatten`` is ``(N, class_expand)``.

    Args:
        scale: width of all layers but the last.
        depths: blocks of the four stages.
        class_num: outputs of ``fc``; 0 leaves it out.
        class_expand: channels of ``last_conv``.
        dropout_prob: of the dropout after ``last_conv``.
        dropout_downscale_in_infer: the dropout of imported weights (``DownscaledDropout``).
        shitu: the form of PP-ShiTuV2: the last stage keeps its resolution, ``last_conv`` has a bias, no activation.
    """

    def __init__(
        self,
        scale: float,
        depths: Sequence[int],
        class_num: int = 1000,
        class_expand: int = 1280,
        dropout_prob: float = 0.2,
        dropout_downscale_in_infer: bool = False,
        shitu: bool = False,
    ) -> None:
        first, width = make_divisible(32 * scale), make_divisible(64 * scale)
        stem = nn.Sequential(ConvNorm(3, first, 3, 2, act="relu"), RepSeparableConv(first, width, 1, _Stage(32, 3)))
        stages = []
        for index, (stage, depth) in enumerate(zip(STAGES, depths, strict=True)):
            stride = 1 if shitu and index == len(STAGES) - 1 else 2
            outputs = make_divisible(2 * stage.inputs * scale)
            blocks = [RepSeparableConv(width, outputs, stride, stage)]
            blocks += [RepSeparableConv(outputs, outputs, 1, stage) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            width = outputs
        super().__init__(
            named(
                stem=stem,
                stages=nn.Sequential(*stages),
                avg_pool=nn.AdaptiveAvgPool2d(1),
                last_conv=nn.Conv2d(width, class_expand, 1, bias=shitu),
                act=nn.Identity() if shitu else nn.ReLU(),
                dropout=dropout(dropout_prob, dropout_downscale_in_infer),
                flatten=nn.Flatten(),
                fc=nn.Linear(class_expand, class_num) if class_num else None,
            )
        )
        without_decay(self)


BACKBONES.register("PPLCNetV2_small")(partial(PPLCNetV2, 0.75, (2, 2, 4, 2)))
BACKBONES.register("PPLCNetV2_base")(partial(PPLCNetV2, 1.0, (2, 2, 6, 2)))
BACKBONES.register("PPLCNetV2_large")(partial(PPLCNetV2, 1.25, (2, 2, 8, 2)))
BACKBONES.register("PPLCNetV2_base_ShiTu")(partial(PPLCNetV2, 1.0, (2, 2, 6, 2), shitu=True))
