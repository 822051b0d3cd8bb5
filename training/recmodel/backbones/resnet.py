"""ResNet of bottleneck blocks, in the forms b and vd.

Sources: He et al., CVPR 2016; form b (stride on the 3x3) as in torchvision; form vd (stem of three 3x3, average pool
in the shortcut): He et al., "Bag of Tricks", CVPR 2019, ResNet-D.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from training.recmodel.backbones.layers import ConvNorm, named, scale_learning_rate
from training.recmodel.backbones.registry import BACKBONES

WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
POOLS: dict[str, type[nn.Module]] = {"avg": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1, added to the shortcut; ReLU."""

    def __init__(self, inputs: int, width: int, stride: int, pooled_shortcut: bool) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv0 = ConvNorm(inputs, width, act="relu")
        self.conv1 = ConvNorm(width, width, 3, stride, act="relu")
        self.conv2 = ConvNorm(width, outputs, act=None)
        if stride != 1 or inputs != outputs:
            pools = pooled_shortcut and stride != 1
            conv = ConvNorm(inputs, outputs, stride=1 if pools else stride, act=None)
            pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if pools else None
            self.short = nn.Sequential(named(pool=pool, conv=conv.conv, bn=conv.bn))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        short = self.short(x) if hasattr(self, "short") else x
        y: Tensor = self.relu(self.conv2(self.conv1(self.conv0(x))) + short)
        return y


class ResNet(nn.Sequential):
    """ResNet as a chain: stem, max_pool, blocks, avg_pool, flatten, fc.

    Input: ``(N, 3, H, W)`` float RGB, ImageNet mean and deviation. Output: logits ``(N, class_num)``, or what the
    stop layer gives: ``flatten`` is ``(N, 2048)``.

    Args:
        depths: blocks of the four stages.
        vd: form vd instead of b.
        class_num: outputs of ``fc``; 0 leaves it out.
        stem_act: activation of the stem; None for weights that were trained without.
        lr_mult_list: share of the learning rate of the stem and the four stages.
        stride_list: strides of the stem, ``max_pool`` and the last three stages.
        pool: ``avg`` or ``max``: what ``avg_pool`` does.
    """

    def __init__(
        self,
        depths: Sequence[int],
        vd: bool = False,
        class_num: int = 1000,
        stem_act: str | None = "relu",
        lr_mult_list: Sequence[float] = (1.0,) * 5,
        stride_list: Sequence[int] = (2,) * 5,
        pool: str = "avg",
    ) -> None:
        if len(lr_mult_list) != 5 or len(stride_list) != 5:
            raise ValueError("ResNet takes 5 values in lr_mult_list (stem, stages 1..4) and in stride_list")
        plan = ((3, 32, 3), (32, 32, 3), (32, 64, 3)) if vd else ((3, 64, 7),)
        stem = nn.Sequential(
            *(
                ConvNorm(inputs, outputs, kernel, stride_list[0] if index == 0 else 1, act=stem_act)
                for index, (inputs, outputs, kernel) in enumerate(plan)
            )
        )
        scale_learning_rate(stem, lr_mult_list[0])
        blocks: list[nn.Module] = []
        channels = WIDTHS[0]
        for stage, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
            for index in range(depth):
                stride = stride_list[stage + 1] if index == 0 and stage > 0 else 1
                block = Bottleneck(channels, width, stride, pooled_shortcut=vd)
                scale_learning_rate(block, lr_mult_list[stage + 1])
                blocks.append(block)
                channels = EXPANSION * width
        super().__init__(
            named(
                stem=stem,
                max_pool=nn.MaxPool2d(3, stride_list[1], padding=1),
                blocks=nn.Sequential(*blocks),
                avg_pool=POOLS[pool](1),
                flatten=nn.Flatten(),
                fc=nn.Linear(channels, class_num) if class_num else None,
            )
        )


LAST_STAGE_STRIDE1 = (2, 2, 2, 2, 1)
FIFTY = (3, 4, 6, 3)
BACKBONES.register("ResNet50")(partial(ResNet, FIFTY))
BACKBONES.register("ResNet50_vd")(partial(ResNet, FIFTY, vd=True))
BACKBONES.register("ResNet50_last_stage_stride1")(partial(ResNet, FIFTY, stride_list=LAST_STAGE_STRIDE1))
BACKBONES.register("ResNet50_vd_last_stage_stride1")(partial(ResNet, FIFTY, vd=True, stride_list=LAST_STAGE_STRIDE1))
BACKBONES.register("ResNet50_adaptive_max_pool2d")(partial(ResNet, FIFTY, pool="max"))
BACKBONES.register("ResNet101")(partial(ResNet, (3, 4, 23, 3)))
BACKBONES.register("ResNet152")(partial(ResNet, (3, 8, 36, 3)))
