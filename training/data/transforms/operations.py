"""Operations on pictures with a strength, from which AugMix, AutoAugment and RandAugment choose."""

from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

Operation = Callable[[Image.Image, float], Image.Image]
Matrix = tuple[float, float, float, float, float, float]


def affine(picture: Image.Image, matrix: Matrix, resample: Image.Resampling, fill: tuple[int, int, int]) -> Image.Image:
    """The picture whose pixel (x, y) is the one at (a x + b y + c, d x + e y + f) of the given one."""
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample, fillcolor=fill)


def geometric(resample: Image.Resampling, fill: tuple[int, int, int]) -> dict[str, Operation]:
    """Shear (by a factor), translate (by a part of the side) and rotate (by degrees)."""

    def rotate(picture: Image.Image, degrees: float) -> Image.Image:
        return picture.rotate(degrees, resample, fillcolor=fill)

    return {
        "shearX": lambda picture, by: affine(picture, (1, by, 0, 0, 1, 0), resample, fill),
        "shearY": lambda picture, by: affine(picture, (1, 0, 0, by, 1, 0), resample, fill),
        "translateX": lambda picture, by: affine(picture, (1, 0, by * picture.width, 0, 1, 0), resample, fill),
        "translateY": lambda picture, by: affine(picture, (1, 0, 0, 0, 1, by * picture.height), resample, fill),
        "rotate": rotate,
    }


def solarize_add(picture: Image.Image, value: float) -> Image.Image:
    """Add to values below 128."""
    return picture.point([min(255, level + int(value)) if level < 128 else level for level in range(256)] * 3)


ENHANCING: dict[str, Operation] = {
    "color": lambda picture, factor: ImageEnhance.Color(picture).enhance(factor),
    "contrast": lambda picture, factor: ImageEnhance.Contrast(picture).enhance(factor),
    "sharpness": lambda picture, factor: ImageEnhance.Sharpness(picture).enhance(factor),
    "brightness": lambda picture, factor: ImageEnhance.Brightness(picture).enhance(factor),
}
"""Factor 1 changes nothing, 0 takes the quality away."""

POINTWISE: dict[str, Operation] = {
    "posterize": lambda picture, bits: ImageOps.posterize(picture, int(bits)),
    "solarize": lambda picture, threshold: ImageOps.solarize(picture, int(threshold)),
    "solarize_add": solarize_add,
    "autocontrast": lambda picture, _: ImageOps.autocontrast(picture),
    "equalize": lambda picture, _: ImageOps.equalize(picture),
    "invert": lambda picture, _: ImageOps.invert(picture),
}
