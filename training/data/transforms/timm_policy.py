"""The augmentation policies of timm, where it is installed."""

import random

import numpy as np

from training.data.transforms.base import TRANSFORMS, Pixels
from training.data.transforms.normalise import IMAGENET_MEAN
from training.data.transforms.resize import to_pil


@TRANSFORMS.register()
class TimmAutoAugment:
    """With probability ``prob``, the policy that ``config_str`` describes, as "rand-m9-mstd0.5-inc1".

    timm draws from the global generators of Python and numpy: they are seeded for the call and put back after it.

    Args:
        config_str: begins with rand, augmix or a policy's name; see timm's documents.
        interpolation: bilinear, bicubic, or random.
        img_size: side of the images, for how far they are moved.
        prob: probability.

    Raises:
        ValueError: if timm is not installed.
    """

    def __init__(
        self,
        config_str: str = "rand-m9-mstd0.5-inc1",
        interpolation: str = "bicubic",
        img_size: int = 224,
        prob: float = 0.5,
    ) -> None:
        try:
            # Imported here: an optional package.
            from timm.data.auto_augment import augment_and_mix_transform, auto_augment_transform, rand_augment_transform
            from timm.data.transforms import str_to_pil_interp
        except ImportError as error:
            raise ValueError("TimmAutoAugment needs timm: pip install timm") from error
        options = {
            "translate_const": int(img_size * 0.45),
            "img_mean": tuple(round(255 * value) for value in IMAGENET_MEAN),
        }
        if interpolation != "random":
            options["interpolation"] = str_to_pil_interp(interpolation)
        builders = {"rand": rand_augment_transform, "augmix": augment_and_mix_transform}
        build = builders.get(config_str.split("-")[0], auto_augment_transform)
        self._policy, self._prob = build(config_str, options), prob

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() >= self._prob:
            return image
        kept = random.getstate(), np.random.get_state()
        try:
            random.seed(int(rng.integers(2**32)))
            np.random.seed(int(rng.integers(2**32)))
            return np.asarray(self._policy(to_pil(image)))
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
