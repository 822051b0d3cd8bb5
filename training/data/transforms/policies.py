"""AutoAugment (Cubuk et al., 2019) and RandAugment (Cubuk et al., 2020) with its variants."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from training.data.transforms.base import TRANSFORMS, Pixels
from training.data.transforms.geometry import channels
from training.data.transforms.operations import ENHANCING, POINTWISE, Operation, geometric
from training.data.transforms.resize import PIL_INTERPOLATIONS, to_pil

GREY = (128, 128, 128)
SubPolicy = tuple[tuple[str, float, int], tuple[str, float, int]]
IMAGENET_POLICY: tuple[SubPolicy, ...] = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 4), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 7)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 2)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 8), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("color", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 2)),
    (("equalize", 0.0, 7), ("equalize", 0.8, 8)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("color", 1.0, 2)),
    (("color", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 8)),
    (("shearX", 0.6, 5), ("equalize", 1.0, 9)),
    (("color", 0.4, 0), ("equalize", 0.6, 3)),
    (("equalize", 0.4, 7), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 5)),
    (("invert", 0.6, 4), ("equalize", 1.0, 8)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 8), ("equalize", 0.6, 3)),
)
"""The 25 sub-policies found on ImageNet: operation, probability, strength 0…9 (Cubuk et al., 2019, table 9)."""


def _operations(fill: float | Sequence[float], resample: Image.Resampling) -> dict[str, Operation]:
    red, green, blue = (int(value) for value in channels(fill))
    return {**geometric(resample, (red, green, blue)), **ENHANCING, **POINTWISE}


def _direction(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


@TRANSFORMS.register()
class AutoAugment:
    """One of the 25 sub-policies of ImageNet at random. Free corners become grey."""

    def __init__(self) -> None:
        self._operations = _operations(GREY, Image.Resampling.BICUBIC)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        picture = to_pil(image)
        for name, probability, strength in IMAGENET_POLICY[rng.integers(len(IMAGENET_POLICY))]:
            if rng.random() < probability:
                picture = self._operations[name](picture, _autoaugment_value(name, strength / 9, rng))
        return np.asarray(picture)


def _autoaugment_value(name: str, level: float, rng: np.random.Generator) -> float:
    largest = {"shearX": 0.3, "shearY": 0.3, "translateX": 150 / 331, "translateY": 150 / 331, "rotate": 30}
    if name in largest:
        return level * largest[name] * _direction(rng)
    if name in ENHANCING:
        return 1 + 0.9 * level * _direction(rng)
    return {"posterize": round(8 - 4 * level), "solarize": 256 * (1 - level)}.get(name, 0)


@TRANSFORMS.register()
class RandAugment:
    """``num_layers`` operations at random, each of strength ``magnitude`` (of 10).

    Posterizing keeps ``8 - 4 * magnitude / 10`` bits and solarizing begins at ``256 * (1 - magnitude / 10)``, so that
    with both a larger magnitude changes more, as in the paper; the old stack had them the other way round.
    """

    NAMES: tuple[str, ...] = (
        "shearX", "shearY", "translateX", "translateY", "rotate", "color", "posterize", "solarize", "contrast",
        "sharpness", "brightness", "autocontrast", "equalize", "invert",
    )  # fmt: skip

    def __init__(self, num_layers: int = 2, magnitude: float = 5, fillcolor: float | Sequence[float] = GREY) -> None:
        self._layers, self._level = num_layers, magnitude / 10
        self._operations = _operations(fillcolor, Image.Resampling.BICUBIC)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        picture = to_pil(image)
        for _ in range(self._layers):
            name = self.NAMES[rng.integers(len(self.NAMES))]
            picture = self._operations[name](picture, _autoaugment_value(name, self._level, rng))
        return np.asarray(picture)


@TRANSFORMS.register()
class RandAugmentV2:
    """RandAugment with the operations and strengths of EfficientNetV2 (Tan and Le, 2021).

    Qualities are multiplied by ``0.1 + 1.8 * magnitude / 10``; pixels are moved by up to 100 and squares of up to 80 a
    side covered. ``progress_magnitude``, a list of strengths by epoch, is not supported.
    """

    NAMES: tuple[str, ...] = (*RandAugment.NAMES, "solarize_add", "cutout")

    def __init__(
        self,
        num_layers: int = 2,
        magnitude: float = 5,
        progress_magnitude: Sequence[float] | None = None,
        fillcolor: float | Sequence[float] = GREY,
    ) -> None:
        if progress_magnitude is not None:
            raise ValueError("RandAugmentV2: progress_magnitude is not supported, leave it out")
        self._layers, self._level = num_layers, magnitude / 10
        self._fill = channels(fillcolor)
        self._operations = _operations(fillcolor, Image.Resampling.NEAREST)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        picture = to_pil(image)
        for _ in range(self._layers):
            name = self.NAMES[rng.integers(len(self.NAMES))]
            picture = self._cut_out(picture, rng) if name == "cutout" else self._operate(picture, name, rng)
        return np.asarray(picture)

    def _operate(self, picture: Image.Image, name: str, rng: np.random.Generator) -> Image.Image:
        if name in ("translateX", "translateY"):
            side = picture.width if name == "translateX" else picture.height
            value = 100 * self._level * _direction(rng) / side
        elif name in ENHANCING:
            value = 0.1 + 1.8 * self._level
        elif name == "solarize_add":
            value = 110 * self._level
        else:
            value = _autoaugment_value(name, self._level, rng)
        return self._operations[name](picture, value)

    def _cut_out(self, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        return cut_out(picture, int(40 * self._level), self._fill, rng)


def cut_out(
    picture: Image.Image, reach: int, fill: tuple[float, float, float], rng: np.random.Generator
) -> Image.Image:
    """Cover the square of up to ``reach`` pixels on every side of a random place."""
    pixels = np.array(picture)
    y, x = int(rng.integers(0, picture.height + 1)), int(rng.integers(0, picture.width + 1))
    pixels[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach] = fill
    return Image.fromarray(pixels)


@TRANSFORMS.register()
class RandAugmentV3:
    """RandAugment as MobileViTv2 was trained with: free corners black, and ``interpolation`` for all that moves pixels.

    Strengths are those of ``RandAugment``, but that posterizing keeps whole bits, ``8 - int(4 * magnitude / 10)``.
    """

    def __init__(
        self,
        num_layers: int = 2,
        magnitude: float = 3,
        fillcolor: float | Sequence[float] = 0,
        interpolation: str = "bicubic",
    ) -> None:
        if interpolation not in PIL_INTERPOLATIONS:
            raise ValueError(
                f"RandAugmentV3: interpolation {interpolation!r} is not one of {', '.join(PIL_INTERPOLATIONS)}"
            )
        self._layers, self._level = num_layers, magnitude / 10
        self._operations = _operations(fillcolor, PIL_INTERPOLATIONS[interpolation])

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        picture = to_pil(image)
        for _ in range(self._layers):
            name = RandAugment.NAMES[rng.integers(len(RandAugment.NAMES))]
            value = _autoaugment_value(name, self._level, rng)
            if name == "posterize":
                value = 8 - int(4 * self._level)
            picture = self._operations[name](picture, value)
        return np.asarray(picture)


@TRANSFORMS.register()
class RandAugmentV4:
    """Two operations at random, each with probability one half and a random strength of 1 to 9 (of 9).

    They are those of AutoAugment, and black squares of up to 40 a side. Ridnik et al., "ML-Decoder", 2023.
    """

    NAMES: tuple[str, ...] = (*RandAugment.NAMES, "cutout")

    def __init__(self) -> None:
        self._operations = _operations(GREY, Image.Resampling.BICUBIC)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        picture = to_pil(image)
        for _ in range(2):
            name, level = self.NAMES[rng.integers(len(self.NAMES))], rng.integers(1, 10) / 9
            if rng.random() >= 0.5:
                continue
            if name == "cutout":
                picture = cut_out(picture, round(20 * level), (0, 0, 0), rng)
            else:
                picture = self._operations[name](picture, _autoaugment_value(name, level, rng))
        return np.asarray(picture)
