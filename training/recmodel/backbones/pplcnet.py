"""PP-LCNet: depth-wise separable convolutions with hard-swish, channel gates at the end, a wide last layer.

Source: Cui et al., "PP-LCNet: A Lightweight CPU Convolutional Neural Network", 2021, table 1.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from training.recmodel.backbones.layers import (
    ConvNorm,
    SqueezeExcite,
    activation,
    dropout,
    make_divisible,
    named,
    scale_learning_rate,
    without_decay,
)
from training.recmodel.backbones.registry import BACKBONES

# (kernel, input channels, output channels, squeeze-excitation) per block, at scale 1; the first block of every stage
# but blocks2 has the stage's stride.
STAGES = {
    "blocks2": ((3, 16, 32, False),),
    "blocks3": ((3, 32, 64, False), (3, 64, 64, False)),
    "blocks4": ((3, 64, 128, False), (3, 128, 128, False)),
    "blocks5": ((3, 128, 256, False), *((5, 256, 256, False),) * 5),
    "blocks6": ((5, 256, 512, True), (5, 512, 512, True)),
}
PYRAMID = ("blocks4", "blocks5", "blocks6")
"""Stages whose outputs are C3, C4 and C5."""

Stride = int | tuple[int, int]


class SeparableConv(nn.Sequential):
    """Depth-wise convolution, optional channel gate, 1x1 convolution."""

    def __init__(self, kernel: int, inputs: int, outputs: int, stride: Stride, gated: bool, act: str) -> None:
        super().__init__(
            named(
                dw_conv=ConvNorm(inputs, inputs, kernel, stride, inputs, act),
                se=SqueezeExcite(inputs) if gated else None,
                pw_conv=ConvNorm(inputs, outputs, act=act),
            )
        )


class PPLCNet(nn.Sequential):
    """PP-LCNet as a chain: conv1, blocks2 to blocks6, avg_pool, last_conv, act, dropout, flatten, fc.

    Input: ``(N, 3, H, W)`` float RGB, ImageNet mean and deviation. Output: logits ``(N, class_num)``, or what the
    stop layer gives: ``flatten`` is ``(N, class_expand)``.

    Args:
        scale: width of all layers but the last.
        class_num: outputs of ``fc``; 0 leaves it out.
        class_expand: channels of ``last_conv``.
        dropout_prob: of the dropout after ``last_conv``.
        dropout_downscale_in_infer: the dropout of imported weights (``DownscaledDropout``).
        lr_mult_list: share of the learning rate of conv1 and blocks2 to blocks6.
        stride_list: strides of conv1 and blocks3 to blocks6.
        use_last_conv: False leaves out last_conv, its activation and the dropout.
        act: activation of all convolutions.
        final_act: activation after ``fc`` (tanh makes real-valued hash codes).
    """

    def __init__(
        self,
        scale: float,
        class_num: int = 1000,
        class_expand: int = 1280,
        dropout_prob: float = 0.2,
        dropout_downscale_in_infer: bool = False,
        lr_mult_list: Sequence[float] = (1.0,) * 6,
        stride_list: Sequence[Stride] = (2,) * 5,
        use_last_conv: bool = True,
        act: str = "hardswish",
        final_act: str | None = None,
    ) -> None:
        if len(lr_mult_list) != 6 or len(stride_list) != 5:
            raise ValueError("PPLCNet takes 6 values in lr_mult_list (conv1, blocks2..6), 5 in stride_list (2, 3..6)")
        first, *strides = (stride if isinstance(stride, int) else (stride[0], stride[1]) for stride in stride_list)
        layers = named(conv1=ConvNorm(3, make_divisible(16 * scale), 3, first, act=act))
        for (name, blocks), stride in zip(STAGES.items(), [1, *strides], strict=True):
            layers[name] = nn.Sequential(
                *(
                    SeparableConv(
                        kernel,
                        make_divisible(inputs * scale),
                        make_divisible(outputs * scale),
                        stride if index == 0 else 1,
                        gated,
                        act,
                    )
                    for index, (kernel, inputs, outputs, gated) in enumerate(blocks)
                )
            )
        for layer, factor in zip(layers.values(), lr_mult_list, strict=True):
            scale_learning_rate(layer, factor)
        width = make_divisible(512 * scale)
        layers["avg_pool"] = nn.AdaptiveAvgPool2d(1)
        if use_last_conv:
            layers["last_conv"] = nn.Conv2d(width, class_expand, 1, bias=False)
            layers["act"] = nn.Hardswish()
            layers["dropout"] = dropout(dropout_prob, dropout_downscale_in_infer)
            width = class_expand
        layers["flatten"] = nn.Flatten()
        if class_num:
            layers["fc"] = nn.Linear(width, class_num)
        if final_act:
            layers["final_act"] = activation(final_act)
        super().__init__(layers)
        without_decay(self)
        self.channels = tuple(make_divisible(base * scale) for base in (128, 256, 512))
        """Channels of the three maps of ``stages``."""

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return C3, C4, C5: strides 8, 16, 32; also of a chain that stops after ``blocks6``."""
        maps = []
        for name, layer in self.named_children():
            x = layer(x)
            if name in PYRAMID:
                maps.append(x)
            if name == PYRAMID[-1]:
                break
        c3, c4, c5 = maps
        return c3, c4, c5


for _name, _scale in {
    "x0_25": 0.25,
    "x0_35": 0.35,
    "x0_5": 0.5,
    "x0_75": 0.75,
    "x1_0": 1.0,
    "x1_5": 1.5,
    "x2_0": 2.0,
    "x2_5": 2.5,
}.items():
    BACKBONES.register(f"PPLCNet_{_name}")(partial(PPLCNet, _scale))
BACKBONES.register("PPLCNet_x2_5_Tanh")(partial(PPLCNet, 2.5, final_act="tanh"))
