"""What the losses share: how they read the model's outputs, and in which precision they count."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from training.numerics import class_numbers, full_precision


def output_of(outputs: Mapping[str, Tensor], key: str) -> Tensor:
    """``outputs[key]`` as ``(N, D)``, in float32 at least.

    Raises:
        ValueError: if the model gives no such output; the message names those it gives.
    """
    if key not in outputs:
        raise ValueError(f"the loss reads the output {key!r}, but the model gives {', '.join(outputs) or 'none'}")
    return full_precision(outputs[key].flatten(1))


class FeatureLoss(nn.Module, ABC):
    """A loss of one output of the model (``feature_from``: features or backbone) and the class numbers."""

    def __init__(self, feature_from: str = "features") -> None:
        super().__init__()
        self.feature_from = feature_from

    def forward(self, outputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar. ``labels``: ``(N,)`` or ``(N, 1)`` integers."""
        return self.compute(output_of(outputs, self.feature_from), class_numbers(labels))

    @abstractmethod
    def compute(self, features: Tensor, labels: Tensor) -> Tensor:
        """The scalar loss of ``features`` (N, D), float32 or float64, and ``labels`` (N,)."""
