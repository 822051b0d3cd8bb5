"""Batch norm as a neck."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recmodel.attributes import Attribute, start
from training.recmodel.necks.registry import NECKS

FIXED_RATE = 1e-10
"""A share of the learning rate below this means that the parameter is not trained (old files write 1e-20)."""


class BiasedBatchNorm(nn.BatchNorm1d):
    """Batch norm whose running variance follows the variance over n, as Paddle's does, not over n - 1."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.running_var is None or self.running_mean is None or self.momentum is None:
            return super().forward(x)
        with torch.no_grad():
            variance, mean = torch.var_mean(x, dim=0, correction=0)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


@NECKS.register()
class BNNeck(nn.Module):
    """Batch norm of the flattened features (Luo et al., "Bag of Tricks for Person Re-ID", CVPR workshops 2019).

    Args:
        num_features: width.
        bias: False for a shift that stays at 0 (what the paper asks for).
        weight_attr, bias_attr: of ``training.recmodel.attributes``. ``bias_attr`` False is the same as ``bias`` False;
            a learning rate of (nearly) 0 keeps the shift at its start.
        use_global_stats: normalise by the running statistics in training too.
        biased_running_variance: as the old stack counted it (``BiasedBatchNorm``).
    """

    def __init__(
        self,
        num_features: int,
        bias: bool = True,
        weight_attr: Attribute = None,
        bias_attr: Attribute = None,
        use_global_stats: bool = False,
        biased_running_variance: bool = False,
    ) -> None:
        super().__init__()
        self.feat_bn = (BiasedBatchNorm if biased_running_variance else nn.BatchNorm1d)(num_features)
        start(self.feat_bn, "weight", weight_attr, {"name": "Constant", "value": 1.0})
        start(self.feat_bn, "bias", bias_attr, {"name": "Constant"})
        rate = bias_attr.get("learning_rate", 1.0) if isinstance(bias_attr, Mapping) else 1.0
        if not bias or bias_attr is False or float(rate) < FIXED_RATE:
            self.feat_bn.bias.requires_grad_(False)
        self.use_global_stats = use_global_stats

    def train(self, mode: bool = True) -> "BNNeck":
        """With ``use_global_stats`` the statistics stay as they are."""
        super().train(mode)
        if self.use_global_stats:
            self.feat_bn.eval()
        return self

    def forward(self, features: Tensor) -> Tensor:
        """``(N, num_features)``, or a map of 1x1, to the same width.

        A single row has no variance: it is normalised by the running statistics, in training too.
        """
        rows, norm = features.flatten(1), self.feat_bn
        if norm.training and len(rows) == 1:
            return F.batch_norm(rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        y: Tensor = norm(rows)
        return y


@NECKS.register()
class MetaBNNeck(BNNeck):
    """Batch norm that counts as Paddle does, with a mode for MetaBIN (Choi et al., CVPR 2021).

    ``hold``: in training, normalise by the batch without taking note of its statistics.

    Args:
        num_features: width.
        weight_attr, bias_attr: as of ``BNNeck``.
        use_global_stats: read from old files; as there, it changes nothing.
    """

    def __init__(
        self,
        num_features: int,
        weight_attr: Attribute = None,
        bias_attr: Attribute = None,
        use_global_stats: bool = False,
    ) -> None:
        super().__init__(num_features, True, weight_attr, bias_attr, biased_running_variance=True)
        self.hold = False

    def forward(self, features: Tensor) -> Tensor:
        """``(N, num_features)``, or a map of 1x1, to the same width."""
        rows, norm = features.flatten(1), self.feat_bn
        if self.training and self.hold and len(rows) > 1:
            return F.batch_norm(rows, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        return super().forward(features)
