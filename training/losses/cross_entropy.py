"""Cross-entropy of the logits."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.base import output_of
from training.losses.registry import LOSSES
from training.numerics import class_numbers

REDUCTIONS = ("mean", "sum", "none")


@LOSSES.register()
class CELoss(nn.Module):
    """Cross-entropy with label smoothing: - sum of t log softmax(logits), t = (1 - epsilon) target + epsilon / C.

    Source: Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 7.

    Args:
        epsilon: share of the smoothing, in (0, 1). None, 0 and 1 switch it off (1 as in the old stack).
        reduction: mean, sum or none (one value per picture).
        softmax_labels: put a softmax over soft labels first if there is no smoothing, as the old stack did.

    Raises:
        ValueError: for an epsilon outside [0, 1] or an unknown reduction.
    """

    def __init__(self, epsilon: float | None = None, reduction: str = "mean", softmax_labels: bool = False) -> None:
        super().__init__()
        if epsilon is not None and not 0 <= epsilon <= 1:
            raise ValueError(f"epsilon of CELoss is {epsilon}; the label smoothing must be within [0, 1]")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction of CELoss is {reduction!r}; it must be one of {', '.join(REDUCTIONS)}")
        self.epsilon = 0.0 if epsilon in (None, 1) else float(epsilon or 0)
        self.reduction = reduction
        self.softmax_labels = softmax_labels

    def forward(self, outputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """Labels: class numbers ``(N,)`` or ``(N, 1)``, or soft labels ``(N, C)`` that sum to 1."""
        logits = output_of(outputs, "logits")
        if labels.is_floating_point():
            target = labels.to(logits.dtype)
            if self.softmax_labels and not self.epsilon:
                target = target.softmax(dim=1)
        else:
            target = class_numbers(labels)
        return F.cross_entropy(logits, target, label_smoothing=self.epsilon, reduction=self.reduction)
