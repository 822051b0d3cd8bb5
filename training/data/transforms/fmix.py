"""FMix: batches mixed by masks of random shapes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.transforms.batch import BATCH_TRANSFORMS, shares


@BATCH_TRANSFORMS.register()
class FmixOperator:
    """Put shapes of the batch in another order onto it; their share of the area is drawn from Beta(alpha, alpha).

    The shapes are where a random low-frequency image is greatest. Harris et al., "FMix", 2020.

    Args:
        class_num: number of classes.
        alpha: of the share that stays.
        decay_power: how fast the strength of frequencies falls; the greater, the smoother the shapes.
        max_soft: share of the area on either side of an edge that is blended, 0 to 0.5.
        reformulate: draw the share from Beta(alpha + 1, alpha).
    """

    def __init__(
        self,
        class_num: int,
        alpha: float = 1.0,
        decay_power: float = 3.0,
        max_soft: float = 0.0,
        reformulate: bool = False,
    ) -> None:
        if alpha <= 0 or not 0 <= max_soft <= 0.5:
            raise ValueError(f"FmixOperator: alpha is positive and max_soft within 0…0.5, got {alpha} and {max_soft}")
        self._classes, self._alpha, self._decay, self._soft = class_num, alpha, decay_power, max_soft
        self._more = float(reformulate)

    def __call__(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        share = rng.beta(self._alpha + self._more, self._alpha)
        field = low_frequency_field(images.shape[2], images.shape[3], self._decay, rng)
        mask = torch.from_numpy(greatest(field, share, self._soft)).to(images.dtype)
        others = torch.from_numpy(rng.permutation(len(images)))
        own, soft = float(mask.mean()), shares(labels, self._classes)
        return mask * images + (1 - mask) * images[others], own * soft + (1 - own) * soft[others]


def low_frequency_field(height: int, width: int, decay: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random image ``(height, width)`` whose frequencies f have strengths of 1 / f ** decay."""
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    real, imaginary = rng.standard_normal((2, *frequencies.shape))
    strengths = np.maximum(frequencies, 1 / max(height, width)) ** -decay
    return np.fft.irfft2(strengths * (real + 1j * imaginary), (height, width))


def greatest(field: NDArray[np.float64], share: float, soft: float) -> NDArray[np.float64]:
    """A mask of the shape of ``field``: 1 on the ``share`` of its greatest values, 0 elsewhere.

    Over a part ``soft`` of all values (less for shares near 0 and 1) on both sides of the edge it falls linearly.
    """
    blended = int(field.size * min(soft, share, 1 - share))
    count = round(share * field.size)
    low, high = max(0, count - blended), min(field.size, count + blended)
    falling = np.zeros(field.size)
    falling[:low] = 1
    falling[low:high] = np.linspace(1, 0, high - low)
    mask = np.empty(field.size)
    mask[np.argsort(-field, axis=None)] = falling
    return mask.reshape(field.shape)
