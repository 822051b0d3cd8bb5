"""Products: a seeded design on a package of its kind, as a solid with materials. Lengths in centimetres."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from examples.rendering import labels
from examples.rendering.drawings import darker, lighter
from examples.rendering.labels import Design
from examples.rendering.materials import Material, plain, printed, smooth_noise
from examples.rendering.shapes import Array, Pouch, Revolved, Solid, box, gable
from examples.rendering.words import BRANDS, PALETTES, PRODUCTS, RGB, Product

DENSITY = 30  # label pixels per centimetre


@dataclass(frozen=True)
class Body:
    """A solid with the material of each of its parts; ``radius`` is that of the circle it stands in."""

    solid: Solid
    materials: tuple[Material, ...]
    radius: float
    height: float


@dataclass(frozen=True)
class Thing:
    """A product. ``line`` is shared by siblings, which differ in flavour alone."""

    label: str
    line: str
    design: Design
    seed: int

    def body(self) -> Body:
        """Build its shape and print its labels."""
        return _body(self.design, self.seed)


def things(seed: int, count: int) -> list[Thing]:
    """Invent ``count`` different products; the first two are siblings: one line, two flavours."""
    rng = np.random.default_rng([seed, 1])
    brands = rng.permutation(len(BRANDS))
    palettes = rng.permutation(len(PALETTES))
    layouts = rng.permutation(len(labels.LAYOUTS))
    kinds = list(dict.fromkeys(product.kind for product in PRODUCTS))
    order = rng.permutation(len(kinds))
    found: list[Thing] = []
    for number in range(max(count - 1, 1)):
        kind = kinds[order[number % len(kinds)]]
        product = _choice(rng, [product for product in PRODUCTS if product.kind == kind])
        palette = PALETTES[palettes[number % len(palettes)]]
        # Another round of kinds meets other layouts: packages that differ in colour alone are not made by chance.
        layout = int(layouts[(number + 3 * (number // len(kinds))) % len(layouts)])
        brand = BRANDS[brands[number % len(brands)]]
        flavours = rng.permutation(len(product.flavours))[: 2 if number == 0 else 1]
        body_seed = int(rng.integers(1 << 30))
        for flavour in flavours:
            design = Design(brand, product, product.flavours[flavour], palette, layout, body_seed)
            label = f"{brand} {product.name}, {design.flavour.name}"
            found.append(Thing(label, f"{brand} {product.name}", design, body_seed))
    return found[:count]


def _choice(rng: np.random.Generator, options: list[Product]) -> Product:
    return options[int(rng.integers(len(options)))]


@lru_cache(maxsize=64)
def _body(design: Design, seed: int) -> Body:
    rng = np.random.default_rng(seed)
    scale = float(rng.uniform(0.94, 1.06))
    build = {
        "box": _box, "tea": _tea, "gable": _gable, "can": _can, "tin": _tin, "bottle": _bottle,
        "jar": _jar, "pouch": _pouch, "canister": _canister, "tub": _tub,
    }[design.product.kind]  # fmt: skip
    return build(design, rng, scale)


def _pixels(length: float) -> int:
    return max(8, round(length * DENSITY))


def _carton(design: Design, width: float, depth: float, height: float, gloss: float) -> tuple[Material, ...]:
    w, d, h = _pixels(width), _pixels(depth), _pixels(height)
    face = printed(labels.front(design, w, h), gloss, 0.4)
    narrow = printed(labels.side(design, d, h), gloss, 0.4)
    top = printed(labels.lid(design, w, d), gloss, 0.4)
    return face, face, narrow, top, plain(design.palette.paper, gloss)


def _box(design: Design, rng: np.random.Generator, scale: float) -> Body:
    width, depth, height = 12.5 * scale, 5.0, 17.5 * scale
    return Body(box(width, depth, height), _carton(design, width, depth, height, 0.12), width / 2, height)


def _tea(design: Design, rng: np.random.Generator, scale: float) -> Body:
    width, depth, height = 12.0 * scale, 7.0, 13.5 * scale
    return Body(box(width, depth, height), _carton(design, width, depth, height, 0.18), width / 2, height)


def _gable(design: Design, rng: np.random.Generator, scale: float) -> Body:
    width, height, roof = 7.6, 18.5 * scale, 3.6
    face, _, narrow, _, bottom = _carton(design, width, width, height, 0.2)
    slope = printed(labels.lid(design, _pixels(width), _pixels(roof)), 0.2)
    materials = (face, face, narrow, slope, bottom, plain(design.palette.paper))
    return Body(gable(width, height, roof), materials, width * 0.6, height + roof)


def _wrapped(design: Design, radius: float, height: float, gloss: float, roughness: float) -> Material:
    return printed(labels.wrap(design, _pixels(2 * np.pi * radius), _pixels(height)), gloss, roughness)


METAL: RGB = (206, 208, 212)


def _can(design: Design, rng: np.random.Generator, scale: float) -> Body:
    r, h = 2.9, 13.2 * scale
    profile = (
        (0, 0),
        (2.2, 0),
        (2.9, 0.8),
        (r, h - 1.4),
        (2.35, h - 0.3),
        (2.4, h),
        (2.2, h),
        (2.1, h - 0.4),
        (0, h - 0.4),
    )
    parts = (1, 1, 0, 1, 1, 1, 1, 1)
    metal = plain(METAL, 0.85, 0.25, metal=True)
    return Body(Revolved(profile, parts), (_wrapped(design, r, h - 2.2, 0.5, 0.2), metal), r, h)


def _tin(design: Design, rng: np.random.Generator, scale: float) -> Body:
    r, h = 3.9, 11.0 * scale
    profile = (
        (0, 0),
        (r, 0),
        (r + 0.12, 0.25),
        (r - 0.02, 0.5),
        (r, h - 0.5),
        (r + 0.12, h - 0.25),
        (r, h),
        (r - 0.25, h),
        (r - 0.3, h - 0.4),
        (0, h - 0.4),
    )
    parts = (1, 1, 1, 0, 1, 1, 1, 1, 1)
    metal = plain(METAL, 0.85, 0.25, metal=True)
    return Body(Revolved(profile, parts), (_wrapped(design, r, h - 1, 0.16, 0.4), metal), r + 0.1, h)


def _bottle(design: Design, rng: np.random.Generator, scale: float) -> Body:
    r, h = 3.5, 21.0 * scale
    body = h * 0.62
    profile = (
        (0, 0),
        (r - 0.5, 0),
        (r, 0.6),
        (r, h * 0.08),
        (r + 0.03, h * 0.08),
        (r + 0.03, body),
        (r, body),
        (r * 0.92, h * 0.68),
        (r * 0.62, h * 0.77),
        (1.5, h * 0.84),
        (1.35, h * 0.9),
        (1.6, h * 0.9),
        (1.6, h),
        (0, h),
    )
    parts = (1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 2, 2, 2)
    glass = plain(darker(design.flavour.colour, 0.35), 0.75, 0.12)
    cap = plain(design.palette.field, 0.35, 0.4)
    return Body(Revolved(profile, parts), (_wrapped(design, r, body - h * 0.08, 0.15, 0.45), glass, cap), r, h)


def _jar(design: Design, rng: np.random.Generator, scale: float) -> Body:
    r, h = 3.9, 11.0 * scale
    profile = (
        (0, 0),
        (r - 0.4, 0),
        (r, 0.5),
        (r, 1.4),
        (r + 0.03, 1.4),
        (r + 0.03, h * 0.72),
        (r, h * 0.72),
        (r - 0.15, h * 0.8),
        (r - 0.5, h * 0.84),
        (r - 0.35, h * 0.84),
        (r - 0.3, h - 0.25),
        (r - 0.6, h),
        (0, h),
    )
    parts = (1, 1, 1, 1, 0, 1, 1, 1, 2, 2, 2, 2)
    glass = plain(darker(design.flavour.colour, 0.2), 0.75, 0.12)
    cap = plain(lighter(design.palette.field, 0.1), 0.4, 0.3)
    return Body(Revolved(profile, parts), (_wrapped(design, r, h * 0.72 - 1.4, 0.12, 0.5), glass, cap), r, h)


def _canister(design: Design, rng: np.random.Generator, scale: float) -> Body:
    r, h = 3.9, 19.0 * scale
    profile = ((0, 0), (r, 0), (r, 0.4), (r, h - 1.3), (r + 0.12, h - 1.3), (r + 0.12, h - 0.1), (r - 0.1, h), (0, h))
    parts = (1, 1, 0, 2, 2, 2, 2)
    rim = plain(METAL, 0.8, 0.3, metal=True)
    return Body(
        Revolved(profile, parts), (_wrapped(design, r, h - 1.7, 0.22, 0.35), rim, plain(design.palette.second)), r, h
    )


def _tub(design: Design, rng: np.random.Generator, scale: float) -> Body:
    top, base, h = 5.0, 3.9, 9.6 * scale
    profile = (
        (0, 0),
        (base - 0.2, 0),
        (base, 0.2),
        (top, h - 0.7),
        (top + 0.25, h - 0.7),
        (top + 0.25, h - 0.1),
        (top, h),
        (0, h),
    )
    parts = (1, 1, 0, 2, 2, 2, 2)
    foil = plain(design.palette.paper, 0.4, 0.3)
    return Body(Revolved(profile, parts), (_wrapped(design, 4.4, h - 0.9, 0.3, 0.25), foil, foil), top, h)


def _pouch(design: Design, rng: np.random.Generator, scale: float) -> Body:
    width, height = 13.5 * scale, 19.5 * scale
    face = printed(labels.front(design, _pixels(width), _pixels(height)), 0.55, 0.22)
    bag = Pouch(width, height, _bulge(rng, 3.1))
    return Body(bag, (face,), width / 2, height)


def _bulge(rng: np.random.Generator, deepest: float) -> Array:
    """Half the thickness of a standing bag: a flat seal on top, fullest low down, creased."""
    rows, columns = 144, 96
    v, u = np.linspace(0, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    filled = np.clip((v - 0.07) / 0.9, 0, 1)
    along = np.sin(np.pi * np.clip(filled, 0, 1) ** 1.35 * 0.72) ** 0.75
    across = np.clip(1 - np.abs(u) ** 2.6, 0, 1) ** 0.7
    creases = smooth_noise(rng, rows, columns, (7, 9)) + 0.6 * smooth_noise(rng, rows, columns, (18, 14))
    thickness = deepest * along * across * (0.9 + 0.11 * creases)
    return np.maximum(thickness, 0.09).astype(np.float32)
