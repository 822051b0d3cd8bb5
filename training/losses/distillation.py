"""Losses between models: mutual learning, and learning from the features of a frozen teacher.

A model of several networks gives its outputs by the name of the network: ``{"Student": {"logits": ...}, ...}``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.base import output_of
from training.losses.cross_entropy import CELoss
from training.losses.registry import LOSSES
from training.numerics import unit

Nested = Mapping[str, Mapping[str, Tensor]]
Pairs = Sequence[Sequence[str]]
STUDENT_AND_TEACHER = (("Student", "Teacher"),)
DISTANCES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "smooth_l1": F.smooth_l1_loss,
}


def mutual_divergence(logits: Tensor, others: Tensor, eps: float = 1e-12, by_classes: bool = False) -> Tensor:
    """Mean over pictures of the mean of both Kullback-Leibler divergences between the softmaxes of logits ``(N, C)``.

    ``by_classes``: times C.

    Source: Zhang et al., "Deep mutual learning", CVPR 2018, equation 4, made symmetric.
    """
    ours, theirs = logits.softmax(dim=1), others.softmax(dim=1)
    difference = (theirs + eps).log() - (ours + eps).log()
    mean = ((theirs - ours) * difference).sum(dim=1).mean() / 2
    return mean * logits.shape[1] if by_classes else mean


def cosine_distance(features: Tensor, target: Tensor) -> Tensor:
    """mean(1 - cosine) of rows ``(N, D)`` and ``(N, D)``; any length."""
    return (1 - (unit(features) * unit(target)).sum(dim=1)).mean()


def relation_distance(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of the two tables of pairwise cosines; features ``(N, D)``, target ``(N, E)``.

    Source: Park et al., "Relational knowledge distillation", CVPR 2019, with cosines as the relation.
    """
    ours, theirs = unit(features), unit(target)
    return (ours @ ours.T - theirs @ theirs.T).square().mean()


@LOSSES.register()
class DMLLoss(nn.Module):
    """``mutual_divergence`` of the logits of all pairs of networks, summed; its sum over the classes is part of it.

    Args:
        act: softmax, what is put over the logits; there is no other.
        sum_across_class_dim: as many times more as there are classes, as in the old stack, which took a sum over the
            classes where a factor for their mean was already there.
        eps: added within the logarithms.

    Raises:
        ValueError: for another ``act``.
    """

    def __init__(self, act: str = "softmax", sum_across_class_dim: bool = False, eps: float = 1e-12) -> None:
        super().__init__()
        if act != "softmax":
            raise ValueError(f"act of DMLLoss is {act!r}; it must be softmax")
        self.eps = eps
        self.by_classes = sum_across_class_dim

    def forward(self, outputs: Nested, labels: Tensor) -> Tensor:
        """``outputs``: logits of at least two networks; labels are not read."""
        names = list(outputs)
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        distance = partial(mutual_divergence, eps=self.eps, by_classes=self.by_classes)
        return _over_pairs(pairs, outputs, "logits", distance)


@LOSSES.register()
class DistillationGTCELoss(nn.Module):
    """``CELoss`` of several networks, summed.

    Args:
        model_names: the networks.
        epsilon: as of ``CELoss``.
        key: the output that holds the logits.
    """

    def __init__(self, model_names: Sequence[str], epsilon: float | None = None, key: str = "logits") -> None:
        super().__init__()
        self.model_names = tuple(model_names)
        self.key = key
        self.loss = CELoss(epsilon)

    def forward(self, outputs: Nested, labels: Tensor) -> Tensor:
        """``outputs`` by network; ``labels`` as of ``CELoss``."""
        logits = [_output(outputs, name, self.key) for name in self.model_names]
        return torch.stack([self.loss({"logits": each}, labels) for each in logits]).sum()


@LOSSES.register()
class DistillationDMLLoss(nn.Module):
    """``mutual_divergence`` of pairs of networks, summed; both learn.

    Args:
        model_name_pairs: pairs of names.
        act: softmax; there is no other.
        sum_across_class_dim: as of ``DMLLoss``.
        key: the output that holds the logits.

    Raises:
        ValueError: for another ``act``.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        act: str = "softmax",
        sum_across_class_dim: bool = False,
        key: str = "logits",
    ) -> None:
        super().__init__()
        if act != "softmax":
            raise ValueError(f"act of DistillationDMLLoss is {act!r}; it must be softmax")
        self.pairs = model_name_pairs
        self.key = key
        self.by_classes = sum_across_class_dim

    def forward(self, outputs: Nested, labels: Tensor) -> Tensor:
        """``outputs`` by network; labels are not read."""
        distance = partial(mutual_divergence, by_classes=self.by_classes)
        return _over_pairs(self.pairs, outputs, self.key, distance)


@LOSSES.register()
class DistillationDistanceLoss(nn.Module):
    """Mean distance of an output of pairs of networks, elementwise, summed over the pairs; both learn.

    Args:
        mode: l2 (squared), l1 or smooth_l1.
        model_name_pairs: pairs of names.
        key: the output: backbone, features or logits.

    Raises:
        ValueError: for another mode.
    """

    def __init__(self, model_name_pairs: Pairs, mode: str = "l2", key: str = "features") -> None:
        super().__init__()
        if mode not in DISTANCES:
            raise ValueError(f"mode of DistillationDistanceLoss is {mode!r}; it must be one of {', '.join(DISTANCES)}")
        self.distance = DISTANCES[mode]
        self.pairs = model_name_pairs
        self.key = key

    def forward(self, outputs: Nested, labels: Tensor) -> Tensor:
        """``outputs`` by network; labels are not read."""
        return _over_pairs(self.pairs, outputs, self.key, self.distance)


class _TeacherLoss(nn.Module):
    """A distance of the student's output to the teacher's, summed over the pairs.

    Args:
        distance: of student and teacher.
        model_name_pairs: student and teacher; the teacher gets no gradient.
        key: the output.
    """

    def __init__(self, distance: Callable[[Tensor, Tensor], Tensor], model_name_pairs: Pairs, key: str) -> None:
        super().__init__()
        self.distance = distance
        self.pairs = model_name_pairs
        self.key = key

    def forward(self, outputs: Nested, labels: Tensor) -> Tensor:
        """``outputs`` by network; labels are not read."""
        return _over_pairs(self.pairs, outputs, self.key, lambda ours, theirs: self.distance(ours, theirs.detach()))


@LOSSES.register()
class DistillationCosineLoss(_TeacherLoss):
    """``cosine_distance`` of the student's features to the teacher's of the same length; see ``_TeacherLoss``."""

    def __init__(self, model_name_pairs: Pairs = STUDENT_AND_TEACHER, key: str = "features") -> None:
        super().__init__(cosine_distance, model_name_pairs, key)


@LOSSES.register()
class DistillationRelationalLoss(_TeacherLoss):
    """``relation_distance`` of the student's features to the teacher's of any length; see ``_TeacherLoss``."""

    def __init__(self, model_name_pairs: Pairs = STUDENT_AND_TEACHER, key: str = "features") -> None:
        super().__init__(relation_distance, model_name_pairs, key)


def _output(outputs: Nested, name: str, key: str) -> Tensor:
    if name not in outputs:
        raise ValueError(f"the loss reads the network {name!r}, but the model has {', '.join(outputs) or 'none'}")
    return output_of(outputs[name], key)


def _over_pairs(pairs: Pairs, outputs: Nested, key: str, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Sum of ``distance`` over pairs of networks."""
    parts = [distance(_output(outputs, first, key), _output(outputs, second, key)) for first, second in pairs]
    return torch.stack(parts).sum()
