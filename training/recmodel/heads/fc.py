"""A linear classifier."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recmodel.attributes import Attribute, start
from training.recmodel.heads.registry import HEADS


@HEADS.register()
class FC(nn.Module):
    """Logits x W^T + b, in training and evaluation alike.

    Args:
        embedding_size, class_num: inputs and outputs; ``weight`` is (class_num, embedding_size).
        weight_attr, bias_attr: of ``training.recmodel.attributes``; Xavier normal and 0 by default, ``bias_attr``
            False for no bias.
    """

    old_name = "fc"
    """What the old stack called the layer within, by which scopes of optimisers find it."""

    def __init__(
        self, embedding_size: int, class_num: int, weight_attr: Attribute = None, bias_attr: Attribute = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(class_num, embedding_size))
        start(self, "weight", weight_attr, {"name": "XavierNormal"})
        self.bias = None if bias_attr is False else nn.Parameter(torch.empty(class_num))
        if self.bias is not None:
            start(self, "bias", bias_attr, {"name": "Constant"})

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits ``(N, class_num)``; labels are not read."""
        return F.linear(features.flatten(1), self.weight, self.bias)
