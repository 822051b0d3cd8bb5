"""AugMix (Hendrycks et al., 2020)."""

import numpy as np
from PIL import Image

from training.data.transforms.base import TRANSFORMS, Pixels
from training.data.transforms.operations import POINTWISE, geometric
from training.data.transforms.resize import to_pil

GEOMETRIC = geometric(Image.Resampling.BILINEAR, (0, 0, 0))
OPERATIONS = (
    "autocontrast", "equalize", "posterize", "rotate", "solarize", "shearX", "shearY", "translateX", "translateY",
)  # fmt: skip
"""None of them is a corruption that robustness is measured with."""
LARGEST = {"rotate": 30.0, "shearX": 0.3, "shearY": 0.3, "translateX": 1 / 3, "translateY": 1 / 3}


@TRANSFORMS.register()
class AugMix:
    """With probability ``prob``, a random blend of the image and of several chains of operations on it, as float32.

    ``m (w1 chain1 + … + wn chainn) + (1 - m) image`` with w from Dirichlet(c, …, c) and m from Beta(c, c),
    c = ``aug_prob_coeff``. Values keep their range 0…255; an image that is left alone keeps its type.

    Args:
        prob: probability.
        aug_prob_coeff: c; small: one chain, and either it or the image, prevails.
        mixture_width: chains.
        mixture_depth: operations of a chain; not positive: 1 to 3 at random.
        aug_severity: 1 to 10: the strength of an operation is drawn up to this tenth of the largest.
    """

    def __init__(
        self,
        prob: float = 0.5,
        aug_prob_coeff: float = 0.1,
        mixture_width: int = 3,
        mixture_depth: int = 1,
        aug_severity: float = 1,
    ) -> None:
        self._prob, self._coefficient = prob, aug_prob_coeff
        self._width, self._depth, self._severity = mixture_width, mixture_depth, aug_severity

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() >= self._prob:
            return image
        weights = rng.dirichlet([self._coefficient] * self._width)
        blend = rng.beta(self._coefficient, self._coefficient)
        mixed = np.zeros(image.shape, np.float32)
        for weight in weights:
            picture = to_pil(image)
            for _ in range(self._depth if self._depth > 0 else rng.integers(1, 4)):
                picture = operate(picture, OPERATIONS[rng.integers(len(OPERATIONS))], self._severity, rng)
            mixed += np.float32(weight) * np.asarray(picture, np.float32)
        return np.asarray((1 - blend) * image + blend * mixed, np.float32)


def operate(picture: Image.Image, name: str, severity: float, rng: np.random.Generator) -> Image.Image:
    """One operation of random strength up to ``severity`` tenths of the largest, of random direction."""
    level = rng.uniform(0.1, severity) / 10
    if name in GEOMETRIC:
        value = level * LARGEST[name] * (1 if rng.random() < 0.5 else -1)
        return GEOMETRIC[name](picture, value)
    strength = {"posterize": 4 - int(level * 4), "solarize": 256 - int(level * 256)}
    return POINTWISE[name](picture, strength.get(name, 0))
