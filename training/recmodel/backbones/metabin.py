"""ResNet50 with gated batch and instance normalisation.

Source: Choi et al., "Meta batch-instance normalization for generalizable person re-identification", CVPR 2021.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recmodel.backbones.registry import BACKBONES
from training.recmodel.backbones.resnet import FIFTY, LAST_STAGE_STRIDE1, ResNet


class Gate(nn.Module):
    """The share of batch normalisation in each channel, within 0 and 1; all of it at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.ones(width))

    def forward(self) -> Tensor:
        """Shares ``(width,)``."""
        return self.gate.clamp(0, 1)


class BatchInstanceNorm(nn.Module):
    """gate x batch normalisation + (1 - gate) x instance normalisation of maps ``(N, width, H, W)``.

    ``hold``: in training, normalise by the batch without taking note of its statistics.
    """

    def __init__(self, width: int, bias_lr: float = 1.0, gate_lr: float = 1.0) -> None:
        super().__init__()
        self.hold = False
        self.batch_norm = nn.BatchNorm2d(width)
        self.instance_norm = nn.InstanceNorm2d(width, affine=True)
        self.gate = Gate(width)
        for norm in (self.batch_norm, self.instance_norm):
            norm.__dict__["lr_multipliers"] = {"bias": bias_lr}
        self.gate.__dict__["lr_multiplier"] = gate_lr

    def forward(self, x: Tensor) -> Tensor:
        norm, share = self.batch_norm, self.gate()[:, None, None]
        if self.training and self.hold:
            by_batch = F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        else:
            by_batch = norm(x)
        mixed: Tensor = by_batch * share + self.instance_norm(x) * (1 - share)
        return mixed


@contextmanager
def held_statistics(network: nn.Module) -> Iterator[None]:
    """Within it, layers that know ``hold`` take no note of the statistics of batches."""
    layers = [layer for layer in network.modules() if hasattr(layer, "hold")]
    for layer in layers:
        layer.hold = True  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.hold = False  # type: ignore[assignment]


@BACKBONES.register("ResNet50_metabin")
def resnet50_metabin(
    bias_lr_factor: float = 1.0,
    gate_lr_factor: float = 1.0,
    class_num: int = 1000,
    stem_act: str | None = "relu",
    lr_mult_list: Sequence[float] = (1.0,) * 5,
) -> ResNet:
    """ResNet50 with stride 1 in its last stage and ``BatchInstanceNorm`` in the place of every batch norm.

    Args:
        bias_lr_factor: share of the learning rate of shifts.
        gate_lr_factor: share of the learning rate of gates.
        class_num, stem_act, lr_mult_list: as of ``ResNet``.
    """
    net = ResNet(FIFTY, False, class_num, stem_act, lr_mult_list, LAST_STAGE_STRIDE1)
    for name, layer in list(net.named_modules()):
        if isinstance(layer, nn.BatchNorm2d):
            parent, _, own = name.rpartition(".")
            gated = BatchInstanceNorm(layer.num_features, bias_lr_factor, gate_lr_factor)
            setattr(net.get_submodule(parent), own, gated)
    return net
