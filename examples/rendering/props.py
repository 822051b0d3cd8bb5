"""Clutter that stands about: fruit, cups and bowls, all without print."""

import numpy as np

from examples.rendering.materials import Material, linear, plain, smooth_noise
from examples.rendering.shapes import Revolved
from examples.rendering.things import Body
from examples.rendering.words import RGB

FRUIT: tuple[RGB, ...] = ((226, 120, 28), (236, 196, 44), (132, 160, 52), (176, 36, 44))
GLAZE: tuple[RGB, ...] = ((236, 232, 222), (92, 122, 132), (150, 96, 70), (70, 76, 72))


def prop(rng: np.random.Generator) -> Body:
    """Make one."""
    return (_fruit, _cup, _bowl)[int(rng.integers(3))](rng)


def _fruit(rng: np.random.Generator) -> Body:
    r = float(rng.uniform(2.9, 3.6))
    angles = np.linspace(-np.pi / 2, np.pi / 2, 11)
    profile = tuple(
        (float(r * np.cos(a)) if 0 < n < 10 else 0.0, float(r * 0.92 * (1 + np.sin(a)))) for n, a in enumerate(angles)
    )
    skin = linear(FRUIT[int(rng.integers(len(FRUIT)))]) * (0.8 + 0.4 * smooth_noise(rng, 64, 128, (9, 14)))[..., None]
    return Body(Revolved(profile, (0,) * 10), (Material(skin.astype(np.float32), 0.3, 0.45),), r, 1.84 * r)


def _cup(rng: np.random.Generator) -> Body:
    r, h = float(rng.uniform(3.6, 4.2)), float(rng.uniform(7.5, 9.5))
    profile = (
        (0.0, 0.0),
        (r * 0.8, 0.0),
        (r * 0.94, 0.6),
        (r, h * 0.4),
        (r, h),
        (r - 0.3, h),
        (r - 0.3, h * 0.86),
        (0.0, h * 0.86),
    )
    glaze = plain(GLAZE[int(rng.integers(len(GLAZE)))], 0.45, 0.25)
    return Body(Revolved(profile, (0, 0, 0, 0, 0, 0, 1)), (glaze, plain((58, 34, 22), 0.5, 0.1)), r, h)


def _bowl(rng: np.random.Generator) -> Body:
    r, h = float(rng.uniform(5.5, 6.5)), float(rng.uniform(5.0, 6.0))
    profile = (
        (0.0, 0.0),
        (r * 0.45, 0.0),
        (r * 0.5, 0.6),
        (r * 0.82, h * 0.45),
        (r, h),
        (r - 0.3, h),
        (r * 0.9, h * 0.8),
        (0.0, h * 0.8),
    )
    glaze = plain(GLAZE[int(rng.integers(len(GLAZE)))], 0.45, 0.25)
    return Body(Revolved(profile, (0, 0, 0, 0, 0, 0, 1)), (glaze, plain((222, 196, 140), 0.1, 0.8)), r, h)
