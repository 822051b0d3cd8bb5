"""What makes one brand's print unlike another's: patterns of its grounds and the cut of its lettering."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from examples.rendering.materials import smooth_noise
from examples.rendering.shapes import Array
from examples.rendering.words import RGB

Pattern = Callable[[Array, Array, np.random.Generator], Array]


@dataclass(frozen=True)
class Lettering:
    """How a brand's name is set. ``slant`` is the lean per height, ``spread`` the share of the room that it fills
    in width, ``rim`` and ``drop`` the outline and the shadow per height."""

    case: int
    slant: float
    spread: float
    weight: float
    rim: float
    drop: float
    spacing: int


def lettering(rng: np.random.Generator) -> Lettering:
    """Draw one."""
    return Lettering(
        case=int(rng.integers(3)),
        slant=float(rng.choice([0.0, 0.0, 0.22, -0.12])),
        spread=float(rng.uniform(0.55, 1.0)),
        weight=float(rng.choice([0.0, 0.02, 0.035])),
        rim=float(rng.choice([0.0, 0.0, 0.06])),
        drop=float(rng.choice([0.0, 0.0, 0.06])),
        spacing=int(rng.choice([0, 0, 1])),
    )


def _cased(text: str, style: Lettering) -> str:
    text = (text, text.upper(), text.lower())[style.case]
    return " ".join(text) if style.spacing and len(text) < 9 else text


def set_name(
    image: Image.Image, text: str, place: tuple[float, float, float, float], fill: RGB, rim: RGB, style: Lettering
) -> None:
    """Set a name about the middle (x, y) of ``place`` (x, y, width, height), filling it by the lettering's cut."""
    x, y, width, height = place
    size = 160
    font = ImageFont.load_default(size)
    text = _cased(text, style)
    stroke = round(size * style.weight)
    edge = round(size * style.rim)
    left, top, right, bottom = font.getbbox(text, stroke_width=stroke + edge, anchor="ls")
    canvas = (int(right - left), int(bottom - top))
    masks = []
    for extra in (edge, 0):
        mask = Image.new("L", canvas, 0)
        pen = ImageDraw.Draw(mask)
        pen.text((-left, -top), text, 255, font, anchor="ls", stroke_width=stroke + extra)
        masks.append(mask)
    lean = abs(style.slant) * canvas[1]
    target = (max(8, round(width * style.spread)), max(8, round(height)))
    # Letters are stretched, but at most half as wide again or half as narrow as drawn.
    natural = target[1] * (canvas[0] + lean) / canvas[1]
    target = (round(min(max(target[0], 0.5 * natural), 1.5 * natural, width)), target[1])
    target = (target[0], round(min(target[1], target[0] * canvas[1] / (canvas[0] + lean) * 2)))
    corner = (round(x - target[0] / 2), round(y - target[1] / 2))
    shift = round(style.drop * target[1])
    ready = [_sheared(mask, style.slant, lean).resize(target, Image.Resampling.LANCZOS) for mask in masks]
    if shift:
        image.paste(rim, (corner[0] + shift, corner[1] + shift), ready[0])
    if edge:
        image.paste(rim, corner, ready[0])
    image.paste(fill, corner, ready[1])


def _sheared(mask: Image.Image, slant: float, lean: float) -> Image.Image:
    size = (mask.width + round(lean), mask.height)
    start = -lean if slant > 0 else 0.0
    return mask.transform(size, Image.Transform.AFFINE, (1, slant, start, 0, 1, 0), Image.Resampling.BILINEAR)


def _dots(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step = rng.uniform(0.05, 0.14)
    row = np.floor(y / step)
    return (np.hypot((x / step + row % 2 / 2) % 1 - 0.5, y / step % 1 - 0.5) < rng.uniform(0.2, 0.36)) * 1.0


def _checks(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step = rng.uniform(0.06, 0.16)
    return ((x / step % 1 < 0.5) * 0.5) + ((y / step % 1 < 0.5) * 0.5)


def _chevrons(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step = rng.uniform(0.1, 0.22)
    return ((y / step + np.abs(x / step % 1 - 0.5)) % 1 < 0.4) * 1.0


def _waves(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step = rng.uniform(0.07, 0.16)
    return 0.5 + 0.5 * np.sin((y / step + 0.35 * np.sin(x / step * 2.2)) * 2 * np.pi)


def _hatching(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step, turn = rng.uniform(0.03, 0.09), rng.uniform(0.3, 1.3)
    return ((x * np.cos(turn) + y * np.sin(turn)) / step % 1 < rng.uniform(0.2, 0.5)) * 1.0


def _tartan(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step = rng.uniform(0.2, 0.4)
    bands = [((a / step % 1 < 0.3) * 0.3 + (np.abs(a / step % 1 - 0.6) < 0.03) * 0.5) for a in (x, y)]
    return bands[0] + bands[1]


def _clouds(x: Array, y: Array, rng: np.random.Generator) -> Array:
    rows, columns = np.broadcast_shapes(x.shape, y.shape)
    return smooth_noise(rng, rows, columns, (5, 4)) * 0.6 + smooth_noise(rng, rows, columns, (24, 18)) * 0.5


def _rings(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step = rng.uniform(0.04, 0.1)
    return (np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1.2)) / step % 1 < 0.45) * 1.0


def _confetti(x: Array, y: Array, rng: np.random.Generator) -> Array:
    rows, columns = np.broadcast_shapes(x.shape, y.shape)
    return (smooth_noise(rng, rows, columns, (60, 42)) > 0.66) * 1.0


def _scales(x: Array, y: Array, rng: np.random.Generator) -> Array:
    step = rng.uniform(0.08, 0.18)
    row = np.floor(y / step)
    return np.clip(np.hypot((x / step + row % 2 / 2) % 1 - 0.5, y / step % 1), 0, 1)


def _fade(x: Array, y: Array, rng: np.random.Generator) -> Array:
    return np.clip(y * 0.9 + 0 * x, 0, 1.2)


PATTERNS: tuple[Pattern, ...] = (
    _dots, _checks, _chevrons, _waves, _hatching, _tartan, _clouds, _rings, _confetti, _scales, _fade,
)  # fmt: skip


def patterned(image: Image.Image, ground: RGB, other: RGB, pattern: int, seed: int, strength: float) -> Image.Image:
    """Lay a pattern towards ``other`` on all pixels that have exactly the colour ``ground``."""
    pixels = np.asarray(image)
    here = (pixels == np.asarray(ground, np.uint8)).all(axis=2)
    rows, columns = here.shape
    # Lengths are in widths of the label, so that a pattern is as coarse on every package.
    x = (np.arange(columns, dtype=np.float32) / columns)[None, :]
    y = (np.arange(rows, dtype=np.float32) / columns)[:, None]
    amount = PATTERNS[pattern](x, y, np.random.default_rng(seed))[..., None] * strength
    mixed = np.asarray(ground) * (1 - amount) + np.asarray(other) * amount
    return Image.fromarray(np.where(here[..., None], mixed, pixels).clip(0, 255).astype(np.uint8))


def grained(image: Image.Image, seed: int, strength: float) -> Image.Image:
    """Give a print the unevenness of ink on board: fine grain and slow change of tone."""
    rng = np.random.default_rng(seed)
    rows, columns = image.height, image.width
    tone = (smooth_noise(rng, rows, columns, (4, 4)) - 0.5) * strength * 2
    fine = rng.normal(size=(rows, columns)).astype(np.float32) * strength
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.5)), np.float32)
    return Image.fromarray(np.clip(pixels + (tone + fine)[..., None] * 60, 0, 255).astype(np.uint8))
