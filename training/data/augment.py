"""Random views of a picture, made in one resampling step plus cheap pixel changes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydantic import BaseModel, ConfigDict


class Augmentation(BaseModel):
    """Ranges of the random view. Shares are probabilities; the rest are half-widths of uniform ranges."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    whole_share: float = 0.25
    box_jitter: float = 0.10
    rotation_degrees: float = 12.0
    perspective: float = 0.07
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    colour_cast: float = 0.06
    blur_share: float = 0.2
    erase_share: float = 0.25
    mirror_share: float = 0.1
    """Print is not symmetric, so mirrored views are rare."""
    zoom_share: float = 0.0
    """Views of a part of the region whose sides are at least ``zoom_least`` of its sides."""
    zoom_least: float = 0.4
    cut_out_share: float = 0.0
    """Labelled views that show the thing cut out of its photo, on another ground."""


def random_view(
    image: Image.Image,
    box: tuple[float, float, float, float] | None,
    size: int,
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> NDArray[np.uint8]:
    """Return one random view ``(size, size, 3) uint8`` of the box (sometimes of the whole picture)."""
    whole = (0.0, 0.0, float(image.width), float(image.height))
    region = whole if box is None or rng.random() < augmentation.whole_share else box
    if rng.random() < augmentation.zoom_share:
        region = part_of(region, augmentation.zoom_least, rng)
    quad = random_quad(region, rng, augmentation)
    view = image.transform((size, size), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)
    return disturbed(view, rng, augmentation)


def part_of(
    region: tuple[float, float, float, float], least: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """A random part of a region with sides of ``least`` to 1 of its sides."""
    low, high = np.array(region[:2]), np.array(region[2:])
    side = (high - low) * rng.uniform(least, 1.0) * rng.uniform(0.9, 1.0, 2)
    start = low + rng.uniform(0, 1, 2) * (high - low - side)
    x0, y0, x1, y1 = np.concatenate([start, start + side]).tolist()
    return x0, y0, x1, y1


def disturbed(view: Image.Image, rng: np.random.Generator, augmentation: Augmentation) -> NDArray[np.uint8]:
    """The view blurred, mirrored, recoloured or partly covered, ``(H, W, 3) uint8``."""
    if rng.random() < augmentation.blur_share:
        view = view.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    if rng.random() < augmentation.mirror_share:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = _recolour(np.asarray(view, np.float32), rng, augmentation)
    if rng.random() < augmentation.erase_share:
        _erase(pixels, rng)
    return pixels.clip(0, 255).astype(np.uint8)


def random_quad(
    box: tuple[float, float, float, float], rng: np.random.Generator, augmentation: Augmentation
) -> tuple[float, ...]:
    """Corners of a jittered, turned and skewed box: upper left, lower left, lower right, upper right (x, y)."""
    low, high = np.array(box[:2]), np.array(box[2:])
    side = high - low
    low = low - side * rng.uniform(-0.5, 1.5, 2) * augmentation.box_jitter
    high = high + side * rng.uniform(-0.5, 1.5, 2) * augmentation.box_jitter
    corners = np.array([low, (low[0], high[1]), high, (high[0], low[1])])
    corners += rng.uniform(-1, 1, (4, 2)) * augmentation.perspective * (high - low)
    angle = np.deg2rad(rng.uniform(-1, 1) * augmentation.rotation_degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = corners.mean(axis=0)
    return tuple(((corners - centre) @ turn + centre).ravel().tolist())


def _recolour(pixels: NDArray[np.float32], rng: np.random.Generator, a: Augmentation) -> NDArray[np.float32]:
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(1 - a.saturation, 1 + a.saturation)
    mean = pixels.mean()
    pixels = mean + (pixels - mean) * rng.uniform(1 - a.contrast, 1 + a.contrast)
    gains = rng.uniform(1 - a.brightness, 1 + a.brightness) * rng.uniform(1 - a.colour_cast, 1 + a.colour_cast, 3)
    return np.asarray(pixels * gains, np.float32)


def _erase(pixels: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Cover a random rectangle of a tenth to a third of each side with one colour (Zhong et al., 2020)."""
    size = pixels.shape[0]
    height, width = rng.integers(size // 10, size // 3 + 1, 2)
    top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
    pixels[top : top + height, left : left + width] = rng.uniform(0, 255, 3)
