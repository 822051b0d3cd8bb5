"""From linear light to a photo: exposure, white balance, vignette, softness, noise and JPEG."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from examples.rendering.materials import GAMMA
from examples.rendering.shapes import Array


@dataclass(frozen=True)
class Lens:
    """How a photo is taken. ``warmth`` reddens (+) or cools (-); ``noise`` is that of mid grey in 8-bit steps."""

    exposure: float
    warmth: float
    vignette: float
    softness: float
    noise: float
    quality: int


def lens(rng: np.random.Generator) -> Lens:
    """Draw a lens and a mood."""
    return Lens(
        exposure=float(rng.uniform(0.9, 1.12)),
        warmth=float(rng.normal(0.0, 0.035)),
        vignette=float(rng.uniform(0.08, 0.28)),
        softness=float(rng.uniform(0.25, 0.6)),
        noise=float(rng.uniform(1.0, 2.6)),
        quality=int(rng.integers(86, 94)),
    )


def develop(light: Array, with_lens: Lens, rng: np.random.Generator) -> Image.Image:
    """Turn linear light (rows, columns, 3) into an RGB picture."""
    rows, columns = light.shape[:2]
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    fall = 1 - with_lens.vignette * (x * x + y * y) / 2
    gain = np.asarray([1 + with_lens.warmth, 1.0, 1 - with_lens.warmth], np.float32)
    exposed = light * gain * (fall * with_lens.exposure)[..., None].astype(np.float32)
    knee = 0.8
    over = np.maximum(exposed - knee, 0)
    exposed = np.minimum(exposed, knee) + (1 - knee) * over / (over + (1 - knee))
    values = 255 * np.power(np.clip(exposed, 0, 1), 1 / GAMMA)
    image = Image.fromarray(values.astype(np.uint8)).filter(ImageFilter.GaussianBlur(with_lens.softness))
    grain = rng.normal(size=(rows, columns, 1)).astype(np.float32) + 0.4 * rng.normal(size=(rows, columns, 3)).astype(
        np.float32
    )
    noisy = np.asarray(image, np.float32) + with_lens.noise * grain
    return Image.fromarray(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
