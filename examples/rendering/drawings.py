"""Illustrations made of shapes. Each is drawn about (x, y) within the radius r, in the flavour's colour."""

import math
from collections.abc import Callable

from PIL import Image, ImageDraw

from examples.rendering.words import RGB

LEAF: RGB = (74, 138, 62)
Pen = ImageDraw.ImageDraw


def mix(colour: RGB, other: RGB, share: float) -> RGB:
    """Move ``colour`` towards ``other`` by ``share`` (0..1)."""
    a, b, c = (round(x + (y - x) * share) for x, y in zip(colour, other, strict=True))
    return a, b, c


def lighter(colour: RGB, share: float) -> RGB:
    """Move towards white."""
    return mix(colour, (255, 255, 255), share)


def darker(colour: RGB, share: float) -> RGB:
    """Move towards black."""
    return mix(colour, (0, 0, 0), share)


def disc(pen: Pen, x: float, y: float, r: float, fill: RGB, squash: float = 1.0) -> None:
    """Fill an ellipse of half width ``r`` and half height ``r * squash``."""
    pen.ellipse([x - r, y - r * squash, x + r, y + r * squash], fill=fill)


def _leaf(pen: Pen, x: float, y: float, length: float, angle: float, fill: RGB = LEAF) -> None:
    points = []
    for step in range(25):
        share = step / 24
        wide = math.sin(math.pi * share) * 0.28 * length
        points.append((share * length, wide))
    outline = points + [(px, -py) for px, py in reversed(points)]
    c, s = math.cos(angle), math.sin(angle)
    pen.polygon([(x + px * c - py * s, y + px * s + py * c) for px, py in outline], fill=fill)
    pen.line(
        [(x, y), (x + length * 0.85 * c, y + length * 0.85 * s)],
        fill=lighter(fill, 0.35),
        width=max(1, int(length / 28)),
    )


def _blob(pen: Pen, x: float, y: float, r: float, fill: RGB, shape: Callable[[float], float]) -> None:
    angles = [2 * math.pi * n / 90 for n in range(90)]
    pen.polygon([(x + r * shape(a) * math.sin(a), y - r * shape(a) * math.cos(a)) for a in angles], fill=fill)


def _shine(pen: Pen, x: float, y: float, r: float, fill: RGB) -> None:
    pen.ellipse([x - r * 0.55, y - r * 0.5, x - r * 0.25, y - r * 0.05], fill=lighter(fill, 0.55))


def strawberry(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """A strawberry with seeds and crown."""
    _blob(pen, x, y + r * 0.1, r * 0.9, colour, lambda a: 0.86 + 0.16 * math.cos(a) ** 3 * -1)
    for row in range(5):
        for column in range(-2, 3):
            sx, sy = x + (column + row % 2 * 0.5) * r * 0.3, y + (row - 1.6) * r * 0.28
            if math.hypot(sx - x, (sy - y - r * 0.05) * 1.05) < r * 0.66:
                disc(pen, sx, sy, r * 0.035, (252, 222, 130), 1.5)
    for angle in (-2.7, -2.1, -1.57, -1.0, -0.4):
        _leaf(pen, x, y - r * 0.62, r * 0.5, angle)


def berries(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """Three round berries with a leaf."""
    _leaf(pen, x, y - r * 0.3, r * 0.95, -0.9)
    _leaf(pen, x, y - r * 0.3, r * 0.85, -2.3)
    for dx, dy, shade in ((-0.42, 0.18, 0.12), (0.42, 0.12, 0.2), (0.0, 0.5, 0.0)):
        bx, by, br = x + dx * r, y + dy * r, r * 0.46
        disc(pen, bx, by, br, darker(colour, shade))
        disc(pen, bx, by - br * 0.35, br * 0.34, darker(colour, 0.45), 0.7)
        _shine(pen, bx, by, br, colour)


def citrus(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """A slice with segments."""
    disc(pen, x, y, r * 0.95, colour)
    disc(pen, x, y, r * 0.84, (255, 248, 226))
    for number in range(9):
        middle = 2 * math.pi * number / 9
        arc = [middle + (step / 8 - 0.5) * 0.56 for step in range(9)]
        inner = (x + r * 0.12 * math.cos(middle), y + r * 0.12 * math.sin(middle))
        edge = [(x + r * 0.76 * math.cos(a), y + r * 0.76 * math.sin(a)) for a in arc]
        pen.polygon([inner, *edge], fill=lighter(colour, 0.18))


def apple(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """An apple with stalk and leaf."""
    for side in (-1, 1):
        disc(pen, x + side * r * 0.27, y + r * 0.12, r * 0.58, darker(colour, 0.08 if side > 0 else 0), 1.18)
    pen.line([(x, y - r * 0.4), (x + r * 0.1, y - r * 0.9)], fill=(92, 62, 40), width=max(2, int(r * 0.09)))
    _leaf(pen, x + r * 0.08, y - r * 0.6, r * 0.65, -0.5)
    _shine(pen, x - r * 0.1, y, r, colour)


def pear(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """A pear."""
    disc(pen, x, y + r * 0.32, r * 0.6, colour)
    disc(pen, x, y - r * 0.26, r * 0.37, colour, 1.35)
    pen.line([(x, y - r * 0.65), (x + r * 0.08, y - r * 0.98)], fill=(92, 62, 40), width=max(2, int(r * 0.09)))
    _leaf(pen, x + r * 0.05, y - r * 0.74, r * 0.6, -0.3)
    _shine(pen, x, y + r * 0.3, r * 0.8, colour)


def tomato(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """A tomato with its star of leaves."""
    disc(pen, x, y + r * 0.08, r * 0.9, colour, 0.88)
    disc(pen, x + r * 0.18, y + r * 0.16, r * 0.66, darker(colour, 0.1), 0.95)
    for number in range(5):
        _leaf(pen, x, y - r * 0.5, r * 0.52, 0.35 + number * 0.62)
    _shine(pen, x - r * 0.2, y + r * 0.1, r, colour)


def leaf(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """A sprig."""
    for length, angle, shade in (
        (1.5, -1.57, 0.0),
        (1.05, -0.75, 0.14),
        (1.05, -2.39, 0.2),
        (0.85, -0.15, 0.3),
        (0.85, -3.0, 0.34),
    ):
        _leaf(pen, x, y + r * 0.75, r * length, angle, darker(colour, shade))


def bean(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """Roasted beans."""
    for dx, dy, size in ((-0.42, -0.22, 0.5), (0.42, -0.3, 0.46), (0.05, 0.4, 0.56)):
        bx, by, br = x + dx * r, y + dy * r, r * size
        disc(pen, bx, by, br, colour, 0.74)
        disc(pen, bx - br * 0.1, by - br * 0.14, br * 0.72, lighter(colour, 0.12), 0.5)
        pen.arc(
            [bx - br * 0.9, by - br * 0.5, bx + br * 0.9, by + br * 0.55],
            200,
            350,
            darker(colour, 0.5),
            max(2, int(br / 7)),
        )


def nut(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """Hazelnuts in their caps."""
    for dx, dy, size in ((-0.4, 0.2, 0.52), (0.4, 0.05, 0.58)):
        nx, ny, nr = x + dx * r, y + dy * r, r * size
        _blob(pen, nx, ny, nr * 1.08, colour, lambda a: 0.9 - 0.14 * math.cos(a))
        pen.chord([nx - nr, ny - nr * 1.05, nx + nr, ny + nr * 0.75], 190, 350, fill=lighter(colour, 0.45))
        _shine(pen, nx, ny + nr * 0.4, nr * 0.8, colour)


def honey(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """Seven cells of a comb."""
    cells = [(0.0, 0.0)] + [(0.56 * math.cos(a * math.pi / 3), 0.56 * math.sin(a * math.pi / 3)) for a in range(6)]
    for number, (dx, dy) in enumerate(cells):
        cx, cy = x + dx * r, y + dy * r
        fill = lighter(colour, 0.1 * (number % 3))
        pen.regular_polygon((cx, cy, r * 0.3), 6, rotation=0, fill=fill)


def chilli(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """Two crossed peppers."""
    for side in (-1, 1):
        for step in range(40):
            share = step / 39
            px = x + side * r * (0.55 - 1.15 * share)
            py = y - r * 0.55 + r * 1.35 * share**1.4
            disc(pen, px, py, r * 0.21 * (1 - share) ** 0.6 + r * 0.015, darker(colour, 0.12 if side > 0 else 0.0))
        pen.line(
            [(x + side * r * 0.55, y - r * 0.6), (x + side * r * 0.75, y - r * 0.95)],
            fill=LEAF,
            width=max(2, int(r * 0.1)),
        )


def wave(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """Three rolling lines."""
    for row, shade in ((-0.5, 0.35), (0.0, 0.0), (0.5, 0.2)):
        for step in range(160):
            share = step / 159
            px = x + r * (2 * share - 1) * 0.92
            disc(pen, px, y + r * (row + 0.16 * math.sin(share * 4 * math.pi)), r * 0.11, lighter(colour, shade))


def wheat(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """An ear of grain."""
    pen.line([(x, y + r), (x, y - r * 0.5)], fill=darker(colour, 0.2), width=max(2, int(r * 0.06)))
    for row in range(6):
        for side in (-1, 1):
            _leaf(
                pen,
                x,
                y + r * (0.55 - row * 0.23),
                r * 0.5,
                -1.57 + side * 0.75,
                colour if side < 0 else darker(colour, 0.12),
            )
    _leaf(pen, x, y - r * 0.5, r * 0.5, -1.57, colour)


def olive(pen: Pen, x: float, y: float, r: float, colour: RGB) -> None:
    """A branch with two olives."""
    for angle in (-0.3, -1.2, -2.0, -2.9):
        _leaf(pen, x, y - r * 0.25, r * 0.9, angle, (104, 130, 92))
    for dx, dy in ((-0.3, 0.3), (0.34, 0.42)):
        disc(pen, x + dx * r, y + dy * r, r * 0.36, darker(colour, 0.1 if dx > 0 else 0), 1.3)
        _shine(pen, x + dx * r, y + dy * r, r * 0.4, colour)


DRAWINGS: dict[str, Callable[[Pen, float, float, float, RGB], None]] = {
    drawing.__name__: drawing
    for drawing in (
        strawberry,
        berries,
        citrus,
        apple,
        pear,
        tomato,
        leaf,
        bean,
        nut,
        honey,
        chilli,
        wave,
        wheat,
        olive,
    )
}


def draw(image: Image.Image, name: str, x: float, y: float, r: float, colour: RGB) -> None:
    """Draw one of ``DRAWINGS`` onto an RGB picture."""
    DRAWINGS[name](ImageDraw.Draw(image), x, y, r, colour)
