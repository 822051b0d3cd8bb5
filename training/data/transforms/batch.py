"""Transforms of whole batches, which mix pictures and their labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.registry import Registry

BatchTransform = Callable[[Tensor, Tensor, np.random.Generator], tuple[Tensor, Tensor]]
"""Images (B, C, H, W) and labels, class numbers (B,) or shares (B, classes), to new ones with shares."""

BATCH_TRANSFORMS: Registry[BatchTransform] = Registry("batch transform")


def build_batch_transforms(
    ops: Sequence[Mapping[str, Mapping[str, Any] | None]], class_num: int
) -> list[BatchTransform]:
    """Build ``[{Name: {parameter: value}}, …]``; ``class_num`` is for those that do not state it.

    Raises:
        UnknownName: for an unknown name or parameter, with the near ones.
    """
    return [
        BATCH_TRANSFORMS.build({"class_num": class_num, **(parameters or {}), "name": name})
        for op in ops
        for name, parameters in op.items()
    ]


def shares(labels: Tensor, class_num: int) -> Tensor:
    """Class numbers as shares (B, classes) float32; shares stay as they are."""
    return labels if labels.is_floating_point() else F.one_hot(labels, class_num).float()


@BATCH_TRANSFORMS.register()
class MixupOperator:
    """Blend the batch with itself in another order; the share of each is drawn from Beta(alpha, alpha).

    Zhang et al., 2018.
    """

    def __init__(self, class_num: int, alpha: float = 1.0) -> None:
        if alpha <= 0:
            raise ValueError(f"MixupOperator: alpha is positive, got {alpha}")
        self._classes, self._alpha = class_num, alpha

    def __call__(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        own, others = rng.beta(self._alpha, self._alpha), torch.from_numpy(rng.permutation(len(images)))
        soft = shares(labels, self._classes)
        return own * images + (1 - own) * images[others], own * soft + (1 - own) * soft[others]


@BATCH_TRANSFORMS.register()
class CutmixOperator:
    """Put a rectangle of the batch in another order onto it; its share of the area is drawn from Beta(alpha, alpha).

    Yun et al., 2019. Labels have the shares that were really covered.
    """

    def __init__(self, class_num: int, alpha: float = 0.2) -> None:
        if alpha <= 0:
            raise ValueError(f"CutmixOperator: alpha is positive, got {alpha}")
        self._classes, self._alpha = class_num, alpha

    def __call__(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        height, width = images.shape[2:]
        side = np.sqrt(1 - rng.beta(self._alpha, self._alpha))
        down, across = int(height * side), int(width * side)
        y, x = int(rng.integers(0, height)), int(rng.integers(0, width))
        top, bottom = max(0, y - down // 2), min(height, y + down // 2)
        left, right = max(0, x - across // 2), min(width, x + across // 2)
        others = torch.from_numpy(rng.permutation(len(images)))
        mixed = images.clone()
        mixed[:, :, top:bottom, left:right] = images[others, :, top:bottom, left:right]
        own = 1 - (bottom - top) * (right - left) / (height * width)
        soft = shares(labels, self._classes)
        return mixed, own * soft + (1 - own) * soft[others]


@BATCH_TRANSFORMS.register()
class OpSampler:
    """One of several batch transforms for each batch, by their ``prob``; nothing with what is left of 1.

    Parameters: ``MixupOperator: {alpha: 0.8, prob: 0.5}``, ``CutmixOperator: {…}``.
    """

    def __init__(self, class_num: int, **operators: Mapping[str, Any]) -> None:
        self._classes = class_num
        self._probabilities = [float(given.get("prob", 1 / len(operators))) for given in operators.values()]
        if not operators or sum(self._probabilities) > 1 + 1e-9:
            raise ValueError(f"OpSampler: probabilities of operators add up to at most 1, got {self._probabilities}")
        plain = [
            {name: {key: value for key, value in given.items() if key != "prob"}} for name, given in operators.items()
        ]
        self._operators = build_batch_transforms(plain, class_num)

    def __call__(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        drawn = rng.random()
        for probability, operator in zip(self._probabilities, self._operators, strict=True):
            if drawn < probability:
                return operator(images, labels, rng)
            drawn -= probability
        return images, shares(labels, self._classes)
