"""What surfaces are made of: textures in linear light, gloss, and procedural woods, stones and cloths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.rendering.shapes import Array
from examples.rendering.words import RGB

GAMMA = 2.2


def linear(colours: NDArray[np.uint8] | RGB) -> Array:
    """Turn 8-bit sRGB values into linear light, 0..1."""
    return ((np.asarray(colours, np.float32) / 255) ** GAMMA).astype(np.float32)


@dataclass(frozen=True)
class Material:
    """A surface. ``texture`` is (rows, columns, 3) linear light; ``gloss`` 0..1 is the strength of its mirror image,
    ``roughness`` 0..1 how blurred that is; ``metal`` tints the mirror image with the colour."""

    texture: Array
    gloss: float = 0.15
    roughness: float = 0.5
    metal: bool = False

    def sample(self, uv: Array) -> Array:
        """Colours (M, 3) at places (M, 2) in 0..1, between texels linearly; places outside wrap round."""
        rows, columns = self.texture.shape[:2]
        x, y = (uv[:, 0] % 1.0) * columns - 0.5, (uv[:, 1] % 1.0) * rows - 0.5
        j, i = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        fx, fy = (x - j)[:, None], (y - i)[:, None]
        j0, j1 = j % columns, (j + 1) % columns
        i0, i1 = np.clip(i, 0, rows - 1), np.clip(i + 1, 0, rows - 1)
        upper = self.texture[i0, j0] * (1 - fx) + self.texture[i0, j1] * fx
        lower = self.texture[i1, j0] * (1 - fx) + self.texture[i1, j1] * fx
        return (upper * (1 - fy) + lower * fy).astype(np.float32)

    def shrunk(self, factor: float) -> "Material":
        """The same with a texture averaged for a picture that shows it ``factor`` times smaller."""
        step = int(factor)
        if step < 2 or min(self.texture.shape[:2]) < 4 * step:
            return self
        rows, columns = (n // step * step for n in self.texture.shape[:2])
        blocks = self.texture[:rows, :columns].reshape(rows // step, step, columns // step, step, 3)
        return Material(blocks.mean(axis=(1, 3)), self.gloss, self.roughness, self.metal)


def printed(image: Image.Image, gloss: float = 0.2, roughness: float = 0.35) -> Material:
    """A printed label."""
    return Material(linear(np.asarray(image.convert("RGB"))), gloss, roughness)


def plain(colour: RGB, gloss: float = 0.2, roughness: float = 0.4, metal: bool = False) -> Material:
    """One colour all over."""
    return Material(linear(colour)[None, None, :], gloss, roughness, metal)


def smooth_noise(rng: np.random.Generator, rows: int, columns: int, cells: tuple[int, int]) -> Array:
    """Noise in 0..1 with about ``cells`` (down, across) bumps."""
    grid = rng.random((max(cells[0], 1), max(cells[1], 1)), dtype=np.float32)
    image = Image.fromarray(grid).resize((columns, rows), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image, np.float32), 0, 1)


def _clouds(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> Array:
    total = np.zeros((size, size), np.float32)
    for octave in range(4):
        total += smooth_noise(rng, size, size, (cells[0] << octave, cells[1] << octave)) / 2**octave
    return total / 1.875


def wood(rng: np.random.Generator, colour: RGB, size: int = 768, planks: int = 4) -> Material:
    """Planks with grain along u."""
    base = linear(colour)
    image = np.empty((size, size, 3), np.float32)
    height = size // planks
    for number in range(planks):
        rows = slice(number * height, size if number == planks - 1 else (number + 1) * height)
        depth = rows.stop - rows.start
        warp = smooth_noise(rng, depth, size, (3, 5))
        lines = 0.5 + 0.5 * np.sin(warp * 26 + np.linspace(0, 5, depth, dtype=np.float32)[:, None])
        fibre = smooth_noise(rng, depth, size, (depth // 2, 14))
        tone = rng.uniform(0.82, 1.08) * (0.72 + 0.22 * lines + 0.2 * fibre)
        image[rows] = base * tone[..., None]
        image[rows.start : rows.start + 3] *= 0.35
    return Material(np.clip(image, 0, 1), 0.12, 0.6)


def stone(rng: np.random.Generator, colour: RGB, size: int = 768) -> Material:
    """Veined stone."""
    clouds = _clouds(rng, size, (3, 3))
    vein = np.abs(_clouds(rng, size, (2, 4)) - 0.5)
    tone = 0.86 + 0.2 * clouds - 0.35 * np.exp(-vein * 60)
    return Material(np.clip(linear(colour) * tone[..., None], 0, 1).astype(np.float32), 0.3, 0.25)


def cloth(rng: np.random.Generator, colour: RGB, other: RGB, size: int = 768) -> Material:
    """Woven cloth with thin checks."""
    x = np.arange(size)
    thread = 0.88 + 0.12 * np.sin(x * 2 * np.pi / 4)
    weave = np.minimum(thread[:, None], thread[None, :]) * (0.92 + 0.16 * _clouds(rng, size, (6, 6)))
    check = ((x % 128 < 12)[:, None] | (x % 128 < 12)[None, :])[..., None]
    image = np.where(check, linear(other), linear(colour)) * weave[..., None]
    return Material(np.clip(image, 0, 1).astype(np.float32), 0.02, 0.9)


def plaster(rng: np.random.Generator, colour: RGB, size: int = 512) -> Material:
    """A painted wall, out of focus."""
    tone = 0.94 + 0.1 * _clouds(rng, size, (2, 2))
    return Material(np.clip(linear(colour) * tone[..., None], 0, 1).astype(np.float32), 0.0, 1.0)


def tiles(rng: np.random.Generator, colour: RGB, size: int = 640) -> Material:
    """Glazed brick tiles, out of focus."""
    y, x = np.mgrid[0:size, 0:size]
    row = y // 64
    column = (x + (row % 2) * 80) // 160
    shade = rng.uniform(0.86, 1.04, (size // 64 + 2, size // 160 + 3))[row, column]
    seam = (y % 64 < 5) | ((x + (row % 2) * 80) % 160 < 5)
    tone = np.where(seam, 0.62, shade).astype(np.float32)
    image = Image.fromarray((np.clip(tone, 0, 1.2) * 200).astype(np.uint8)).reduce(2)
    blurred = np.asarray(image, np.float32) / 200
    return Material(np.clip(linear(colour) * blurred[..., None], 0, 1).astype(np.float32), 0.1, 0.5)
