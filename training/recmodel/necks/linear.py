"""Necks of linear layers."""

from torch import Tensor, nn
from torch.nn import functional as F

from training.recmodel.attributes import Attribute, start
from training.recmodel.necks.registry import NECKS


def linear(inputs: int, outputs: int, weight_attr: Attribute = None, bias_attr: Attribute = None) -> nn.Linear:
    """A linear layer that starts Xavier normal with bias 0, or as the attributes say; ``bias_attr`` False: no bias."""
    layer = nn.Linear(inputs, outputs, bias=bias_attr is not False)
    start(layer, "weight", weight_attr, {"name": "XavierNormal"})
    if bias_attr is not False:
        start(layer, "bias", bias_attr, {"name": "Constant"})
    return layer


@NECKS.register()
class FC(nn.Module):
    """x W^T + b.

    Args:
        embedding_size: inputs.
        class_num: outputs (the old name; no classes are meant).
        weight_attr, bias_attr: of ``training.recmodel.attributes``.
        normalize_input: bring every input row to unit length first.
    """

    def __init__(
        self,
        embedding_size: int,
        class_num: int,
        weight_attr: Attribute = None,
        bias_attr: Attribute = None,
        normalize_input: bool = False,
    ) -> None:
        super().__init__()
        self.fc = linear(embedding_size, class_num, weight_attr, bias_attr)
        self.normalize_input = normalize_input

    def forward(self, features: Tensor) -> Tensor:
        """``(N, embedding_size)``, or a map of 1x1, to ``(N, class_num)``."""
        rows = features.flatten(1)
        y: Tensor = self.fc(F.normalize(rows) if self.normalize_input else rows)
        return y


@NECKS.register()
class VehicleNeck(nn.Module):
    """A convolution, then flattened; the backbone stops at ``avg_pool``.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups: of the convolution.
        weight_attr, bias_attr: of ``training.recmodel.attributes``; the old stack ignored ``bias_attr``, here False
            means no bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        weight_attr: Attribute = None,
        bias_attr: Attribute = None,
    ) -> None:
        super().__init__()
        biased = bias_attr is not False
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, biased)
        start(self.conv, "weight", weight_attr, {"name": "KaimingNormal"})
        if biased:
            start(self.conv, "bias", bias_attr, {"name": "Constant"})

    def forward(self, features: Tensor) -> Tensor:
        """``(N, in_channels, h, w)`` to ``(N, out_channels h' w')``.

        Raises:
            ValueError: for rows instead of a map.
        """
        if features.ndim != 4:
            raise ValueError("VehicleNeck needs a map (N, C, h, w): set Arch.BackboneStopLayer.name to avg_pool")
        y: Tensor = self.conv(features)
        return y.flatten(1)


@NECKS.register()
class FRFNNeck(nn.Module):
    """Linear, leaky ReLU of 0.1, linear, then unit length: ``(N, num_features)`` to ``(N, low_dim)``."""

    def __init__(self, num_features: int, low_dim: int) -> None:
        super().__init__()
        self.fc1 = linear(num_features, num_features)
        self.fc2 = linear(num_features, low_dim)

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.fc2(F.leaky_relu(self.fc1(features.flatten(1)), 0.1)))


@NECKS.register()
class Identity(nn.Module):
    """The features as they are, flattened."""

    def forward(self, features: Tensor) -> Tensor:
        return features.flatten(1)
