"""Mixup and CutMix by turns, with smoothed labels."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from training.data.transforms.batch import BATCH_TRANSFORMS, shares

Mode = Literal["batch", "pair", "elem"]
Rectangle = tuple[slice, slice]


@BATCH_TRANSFORMS.register()
class MixupCutmixHybrid:
    """Mix each picture with the one as far from the batch's other end, by mixup or CutMix.

    Args:
        class_num: number of classes.
        mixup_alpha: the share of a picture in mixup is drawn from Beta(alpha, alpha); 0: no mixup.
        cutmix_alpha: the same of CutMix; 0: no CutMix.
        cutmix_minmax: instead, least and greatest side of the rectangle as a part of the picture's.
        prob: probability that anything is mixed.
        switch_prob: probability of CutMix where both are on.
        mode: draw once for the batch, for each pair, or for each picture.
        correct_lam: count the part of a rectangle that lies within the picture.
        label_smoothing: share of every label that is spread over all classes.
        num_classes: instead of ``class_num``.

    Raises:
        ValueError: for a parameter that is not possible.
    """

    def __init__(
        self,
        class_num: int,
        mixup_alpha: float = 1.0,
        cutmix_alpha: float = 0.0,
        cutmix_minmax: Sequence[float] | None = None,
        prob: float = 1.0,
        switch_prob: float = 0.5,
        mode: Mode = "batch",
        correct_lam: bool = True,
        label_smoothing: float = 0.1,
        num_classes: int | None = None,
    ) -> None:
        if mode not in ("batch", "pair", "elem"):
            raise ValueError(f"MixupCutmixHybrid: mode is batch, pair or elem, got {mode!r}")
        if cutmix_minmax is not None and not 0 <= cutmix_minmax[0] < cutmix_minmax[1] <= 1:
            raise ValueError(f"MixupCutmixHybrid: cutmix_minmax is two rising parts of 1, got {cutmix_minmax!r}")
        if min(mixup_alpha, cutmix_alpha) < 0 or (cutmix_minmax is None and mixup_alpha == cutmix_alpha == 0):
            raise ValueError("MixupCutmixHybrid: give a positive mixup_alpha, cutmix_alpha or a cutmix_minmax")
        self._classes, self._smoothing = num_classes or class_num, label_smoothing
        self._mixup, self._cutmix = mixup_alpha, cutmix_alpha if cutmix_minmax is None else 1.0
        self._sides, self._mode, self._correct = cutmix_minmax, mode, correct_lam
        self._probability, self._switch = prob, switch_prob

    def __call__(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        count = len(images)
        mixed, own = images.clone(), torch.ones(count, 1)
        for group in self._groups(count):
            share, rectangle = self._draw(images.shape[2], images.shape[3], rng)
            others = [count - 1 - place for place in group]
            own[group] = share
            if rectangle is None:
                mixed[group] = share * images[group] + (1 - share) * images[others]
            else:
                rows, columns = rectangle
                for place, other in zip(group, others, strict=True):
                    mixed[place, :, rows, columns] = images[other, :, rows, columns]
        soft = shares(labels, self._classes) * (1 - self._smoothing) + self._smoothing / self._classes
        return mixed, own * soft + (1 - own) * soft.flip(0)

    def _groups(self, count: int) -> list[list[int]]:
        """Places of the pictures that share a draw."""
        if self._mode == "batch":
            return [list(range(count))]
        if self._mode == "elem":
            return [[place] for place in range(count)]
        return [sorted({place, count - 1 - place}) for place in range((count + 1) // 2)]

    def _draw(self, height: int, width: int, rng: np.random.Generator) -> tuple[float, Rectangle | None]:
        """The share that stays, and the rectangle that does not; None: blend."""
        if rng.random() >= self._probability:
            return 1.0, None
        cut = self._cutmix > 0 and (self._mixup == 0 or rng.random() < self._switch)
        alpha = self._cutmix if cut else self._mixup
        share = float(rng.beta(alpha, alpha))
        if not cut:
            return share, None
        rows, columns = (self._extent(side, share, rng) for side in (height, width))
        if self._correct or self._sides is not None:
            share = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
        return share, (rows, columns)

    def _extent(self, side: int, share: float, rng: np.random.Generator) -> slice:
        if self._sides is not None:
            length = int(rng.integers(int(side * self._sides[0]), max(int(side * self._sides[1]), 1)))
            start = int(rng.integers(0, side - length))
            return slice(start, start + length)
        half = int(side * np.sqrt(1 - share)) // 2
        middle = int(rng.integers(0, side))
        return slice(max(0, middle - half), min(side, middle + half))
