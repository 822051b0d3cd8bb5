"""MobileNetV1 and MobileNetV3-large.

Sources: Howard et al., "MobileNets", 2017, table 1; Howard et al., "Searching for MobileNetV3", ICCV 2019, table 1.
"""

from torch import Tensor, nn

from training.recmodel.backbones.layers import ConvNorm, SqueezeExcite, dropout, named, without_decay
from training.recmodel.backbones.registry import BACKBONES

# (input channels, output channels, stride)
V1_BLOCKS = (
    (32, 64, 1),
    (64, 128, 2),
    (128, 128, 1),
    (128, 256, 2),
    (256, 256, 1),
    (256, 512, 2),
    *((512, 512, 1),) * 5,
    (512, 1024, 2),
    (1024, 1024, 1),
)
# (kernel, expanded channels, output channels, squeeze-excitation, activation, stride)
V3_LARGE_BLOCKS = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hardswish", 2),
    (3, 200, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 480, 112, True, "hardswish", 1),
    (3, 672, 112, True, "hardswish", 1),
    (5, 672, 160, True, "hardswish", 2),
    (5, 960, 160, True, "hardswish", 1),
    (5, 960, 160, True, "hardswish", 1),
)
V3_STEM, V3_SQUEEZE = 16, 960


@BACKBONES.register()
class MobileNetV1(nn.Sequential):
    """MobileNetV1 as a chain: conv, blocks, avg_pool, flatten, fc. ``flatten`` is ``(N, 1024)``."""

    def __init__(self, class_num: int = 1000) -> None:
        blocks = [
            nn.Sequential(
                named(
                    depthwise_conv=ConvNorm(inputs, inputs, 3, stride, inputs, "relu"),
                    pointwise_conv=ConvNorm(inputs, outputs, act="relu"),
                )
            )
            for inputs, outputs, stride in V1_BLOCKS
        ]
        super().__init__(
            named(
                conv=ConvNorm(3, 32, 3, 2, act="relu"),
                blocks=nn.Sequential(*blocks),
                avg_pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                fc=nn.Linear(V1_BLOCKS[-1][1], class_num) if class_num else None,
            )
        )


class SteepSigmoid(nn.Module):
    """clip(0.2 x + 0.5): the gate that PaddleClas's MobileNetV3 was trained with; the paper's slope is 1/6."""

    def forward(self, x: Tensor) -> Tensor:
        return (0.2 * x + 0.5).clamp(0, 1)


class InvertedResidual(nn.Module):
    """Expand 1x1, depth-wise, optional channel gate, project 1x1, with a shortcut where the shape stays."""

    def __init__(
        self, inputs: int, wide: int, outputs: int, kernel: int, stride: int, act: str, gate: nn.Module | None
    ) -> None:
        super().__init__()
        self.path = stride == 1 and inputs == outputs
        self.expand_conv = ConvNorm(inputs, wide, act=act)
        self.bottleneck_conv = ConvNorm(wide, wide, kernel, stride, wide, act)
        if gate is not None:
            self.mid_se = gate
        self.linear_conv = ConvNorm(wide, outputs, act=None)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.children():
            y = layer(y)
        return x + y if self.path else y


class MobileNetV3(nn.Sequential):
    """MobileNetV3-large as a chain: conv, blocks, last_second_conv, avg_pool, last_conv, act, dropout, flatten, fc.

    Args:
        class_num: outputs of ``fc``; 0 leaves it out.
        class_expand: channels of ``last_conv``; ``flatten`` is ``(N, class_expand)``.
        dropout_prob: of the dropout after ``last_conv``.
        dropout_downscale_in_infer: the dropout of imported weights (``DownscaledDropout``).
    """

    def __init__(
        self,
        class_num: int = 1000,
        class_expand: int = 1280,
        dropout_prob: float = 0.2,
        dropout_downscale_in_infer: bool = False,
    ) -> None:
        blocks: list[nn.Module] = []
        channels = V3_STEM
        for kernel, wide, outputs, gated, act, stride in V3_LARGE_BLOCKS:
            gate = SqueezeExcite(wide, gate=SteepSigmoid()) if gated else None
            blocks.append(InvertedResidual(channels, wide, outputs, kernel, stride, act, gate))
            channels = outputs
        super().__init__(
            named(
                conv=ConvNorm(3, V3_STEM, 3, 2),
                blocks=nn.Sequential(*blocks),
                last_second_conv=ConvNorm(channels, V3_SQUEEZE),
                avg_pool=nn.AdaptiveAvgPool2d(1),
                last_conv=nn.Conv2d(V3_SQUEEZE, class_expand, 1, bias=False),
                act=nn.Hardswish(),
                dropout=dropout(dropout_prob, dropout_downscale_in_infer),
                flatten=nn.Flatten(),
                fc=nn.Linear(class_expand, class_num) if class_num else None,
            )
        )
        without_decay(self)


BACKBONES.register("MobileNetV3_large_x1_0")(MobileNetV3)
