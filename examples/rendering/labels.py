"""Printed labels: fronts in ten layouts, sides with small print, and wraps for round packages.

All sizes are pixels of the finished label; everything is drawn twice as large and reduced, for smooth edges.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from examples.rendering.drawings import darker, disc, draw, lighter, mix
from examples.rendering.prints import PATTERNS, grained, lettering, patterned, set_name
from examples.rendering.words import RGB, Flavour, Palette, Product

OVERSAMPLING = 2
BOLDEST = 0.032  # beyond this the counters of the letters fill up


@dataclass(frozen=True)
class Design:
    """Everything that decides how a thing is printed. Siblings differ in the flavour alone."""

    brand: str
    product: Product
    flavour: Flavour
    palette: Palette
    layout: int
    style: int


@lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def write(
    image: Image.Image, text: str, x: float, y: float, width: float, height: float, fill: RGB, bold: float = 0.0
) -> None:
    """Centre one line of text at (x, y), as large as fits ``width`` by ``height``; ``bold`` is stroke per height."""
    bold = min(bold, BOLDEST)
    size = max(6, int(height))
    stroke = round(size * bold)
    left, _, right, _ = _font(size).getbbox(text, stroke_width=stroke)
    size = max(6, int(size * min(1.0, width / max(right - left, 1))))
    pen = ImageDraw.Draw(image)
    pen.text((x, y), text, fill, _font(size), anchor="mm", stroke_width=round(size * bold), stroke_fill=fill)


def _luminance(colour: RGB) -> float:
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def readable(on: RGB, design: Design) -> RGB:
    """Return the palette's paper or ink, whichever stands out more on a colour."""
    paper, ink = design.palette.paper, design.palette.ink
    return paper if abs(_luminance(paper) - _luminance(on)) > abs(_luminance(ink) - _luminance(on)) else ink


def _pill(image: Image.Image, text: str, x: float, y: float, width: float, height: float, fill: RGB, ink: RGB) -> None:
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    ImageDraw.Draw(image).rounded_rectangle(box, radius=height / 2, fill=fill)
    write(image, text, x, y, width * 0.84, height * 0.58, ink, 0.02)


def _foot(image: Image.Image, design: Design, fill: RGB) -> None:
    w, h = image.size
    write(image, design.product.amount, w * 0.5, h * 0.958, w * 0.3, min(w, h) * 0.05, fill)


def _name(image: Image.Image, design: Design, x: float, y: float, width: float, height: float, fill: RGB) -> None:
    style = lettering(np.random.default_rng(design.style))
    rim = design.palette.second if _luminance(fill) > 128 else lighter(design.palette.second, 0.4)
    set_name(image, design.brand, (x, y, width, height), fill, rim, style)


def _banded(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, w, h], fill=p.field)
    pen.rectangle([0, h * 0.13, w, h * 0.36], fill=p.paper)
    for y in (0.115, 0.375):
        pen.line([(0, h * y), (w, h * y)], fill=p.second, width=int(h * 0.012))
    _name(image, design, w / 2, h * 0.225, w * 0.86, h * 0.11, p.ink)
    write(image, design.product.name.upper(), w / 2, h * 0.315, w * 0.7, h * 0.04, p.ink)
    r = min(w * 0.36, h * 0.19)
    disc(pen, w / 2, h * 0.61, r * 1.16, lighter(design.flavour.colour, 0.72))
    draw(image, design.flavour.drawing, w / 2, h * 0.61, r * 0.88, design.flavour.colour)
    _pill(image, design.flavour.name, w / 2, h * 0.865, w * 0.72, h * 0.085, design.flavour.colour, p.paper)
    _foot(image, design, readable(p.field, design))


def _sunburst(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, w, h], fill=p.second)
    centre, reach = (w / 2, h * 0.56), math.hypot(w, h)
    for number in range(0, 32, 2):
        ends = [2 * math.pi * (number + side) / 32 for side in (0, 1)]
        rays = [(centre[0] + reach * math.cos(a), centre[1] + reach * math.sin(a)) for a in ends]
        pen.polygon([centre, *rays], fill=mix(p.second, p.field, 0.28))
    r = min(w * 0.4, h * 0.28)
    disc(pen, *centre, r * 1.08, p.field)
    disc(pen, *centre, r, p.paper)
    draw(image, design.flavour.drawing, centre[0], centre[1] - r * 0.05, r * 0.72, design.flavour.colour)
    pen.rectangle([0, h * 0.05, w, h * 0.22], fill=p.field)
    _name(image, design, w / 2, h * 0.135, w * 0.84, h * 0.1, readable(p.field, design))
    pen.rectangle([0, h * 0.86, w, h * 0.935], fill=design.flavour.colour)
    line = f"{design.product.name} · {design.flavour.name}"
    write(image, line, w / 2, h * 0.897, w * 0.9, h * 0.05, readable(design.flavour.colour, design), 0.03)
    _foot(image, design, readable(p.second, design))


def _diagonal(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, w, h], fill=p.field)
    pen.polygon([(0, h * 0.62), (w, h * 0.34), (w, h), (0, h)], fill=p.second)
    pen.polygon([(0, h * 0.60), (w, h * 0.32), (w, h * 0.36), (0, h * 0.64)], fill=design.flavour.colour)
    _name(image, design, w / 2, h * 0.14, w * 0.86, h * 0.13, readable(p.field, design))
    write(image, design.product.name, w / 2, h * 0.25, w * 0.7, h * 0.06, readable(p.field, design))
    r = min(w * 0.3, h * 0.2)
    draw(image, design.flavour.drawing, w * 0.6, h * 0.66, r, design.flavour.colour)
    write(image, design.flavour.name, w / 2, h * 0.9, w * 0.8, h * 0.06, readable(p.second, design), 0.03)
    _foot(image, design, readable(p.second, design))


def _striped(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    step = w / 10
    for number in range(11):
        pen.rectangle([number * step, 0, (number + 1) * step, h], fill=p.field if number % 2 else p.paper)
    pen.rounded_rectangle([w * 0.1, h * 0.12, w * 0.9, h * 0.9], radius=w * 0.07, fill=p.field)
    pen.rounded_rectangle([w * 0.13, h * 0.135, w * 0.87, h * 0.885], radius=w * 0.055, fill=p.paper)
    _name(image, design, w / 2, h * 0.23, w * 0.64, h * 0.1, p.ink)
    pen.line([(w * 0.3, h * 0.31), (w * 0.7, h * 0.31)], fill=p.second, width=max(2, int(h * 0.008)))
    write(image, design.product.name, w / 2, h * 0.365, w * 0.6, h * 0.055, p.ink)
    draw(image, design.flavour.drawing, w / 2, h * 0.59, min(w * 0.26, h * 0.16), design.flavour.colour)
    _pill(image, design.flavour.name, w / 2, h * 0.81, w * 0.6, h * 0.07, design.flavour.colour, p.paper)
    _foot(image, design, p.ink)


def _landscape(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, w, h], fill=mix(p.second, p.paper, 0.35))
    disc(pen, w * 0.72, h * 0.42, min(w, h) * 0.16, mix(design.flavour.colour, p.paper, 0.35))
    for level, shade in ((0.46, 0.55), (0.55, 0.3), (0.66, 0.0)):
        ridge = [(x * w / 40, h * (level + 0.045 * math.sin(x / 40 * 7 + level * 30))) for x in range(41)]
        pen.polygon([*ridge, (w, h), (0, h)], fill=mix(p.field, p.paper, shade))
    _name(image, design, w / 2, h * 0.14, w * 0.86, h * 0.12, p.ink)
    write(image, design.product.name.upper(), w / 2, h * 0.25, w * 0.66, h * 0.045, p.ink, 0.02)
    r = min(w * 0.28, h * 0.15)
    disc(pen, w * 0.5, h * 0.68, r * 1.2, p.paper)
    draw(image, design.flavour.drawing, w * 0.5, h * 0.68, r * 0.86, design.flavour.colour)
    write(image, design.flavour.name, w / 2, h * 0.885, w * 0.8, h * 0.06, readable(p.field, design), 0.03)
    _foot(image, design, readable(p.field, design))


def _plain(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, w, h], fill=p.paper)
    pen.rectangle([0, h * 0.94, w, h], fill=p.field)
    pen.rectangle([w * 0.08, h * 0.07, w * 0.2, h * 0.085], fill=p.field)
    write(
        image, design.brand, w / 2, h * 0.16, w * 0.84, h * 0.1, p.field if _luminance(p.field) < 170 else p.ink, 0.03
    )
    draw(image, design.flavour.drawing, w / 2, h * 0.5, min(w * 0.42, h * 0.23), design.flavour.colour)
    write(image, design.flavour.name, w / 2, h * 0.79, w * 0.8, h * 0.075, darker(design.flavour.colour, 0.15), 0.04)
    write(image, f"{design.product.name}, {design.product.amount}", w / 2, h * 0.87, w * 0.7, h * 0.04, p.ink)


def _scattered(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    ImageDraw.Draw(image).rectangle([0, 0, w, h], fill=mix(p.field, p.paper, 0.12))
    step = min(w, h) / 4.2
    for row in range(int(h / step) + 2):
        for column in range(int(w / step) + 2):
            x, y = (column - 0.25 + row % 2 * 0.5) * step, row * step
            draw(image, design.flavour.drawing, x, y, step * 0.34, design.flavour.colour)
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, h * 0.32, w, h * 0.68], fill=p.paper)
    pen.rectangle([0, h * 0.335, w, h * 0.345], fill=p.field)
    pen.rectangle([0, h * 0.655, w, h * 0.665], fill=p.field)
    _name(image, design, w / 2, h * 0.43, w * 0.84, h * 0.12, p.ink)
    write(image, design.product.name, w / 2, h * 0.53, w * 0.7, h * 0.05, p.ink)
    write(
        image,
        design.flavour.name.upper(),
        w / 2,
        h * 0.605,
        w * 0.78,
        h * 0.05,
        darker(design.flavour.colour, 0.1),
        0.04,
    )


def _blocks(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    colours = (p.field, p.second, design.flavour.colour, p.paper, mix(p.field, p.ink, 0.5))
    side = w / 3
    for row in range(math.ceil(h / side)):
        for column in range(3):
            x, y = column * side, row * side
            fill, other = colours[(row * 2 + column) % 5], colours[(row * 3 + column + 2) % 5]
            pen.rectangle([x, y, x + side, y + side], fill=fill)
            turn = (row + column * 2) % 4 * 90
            box = [x - side if turn in (0, 270) else x, y - side if turn in (0, 90) else y]
            pen.pieslice([*box, box[0] + 2 * side, box[1] + 2 * side], *_quarter(turn), fill=other)
    pen.rectangle([w * 0.0, h * 0.56, w, h * 0.88], fill=p.paper)
    _name(image, design, w * 0.5, h * 0.64, w * 0.86, h * 0.11, p.ink)
    write(image, f"{design.product.name} {design.product.amount}", w * 0.5, h * 0.73, w * 0.8, h * 0.045, p.ink)
    write(image, design.flavour.name, w * 0.58, h * 0.815, w * 0.6, h * 0.06, darker(design.flavour.colour, 0.1), 0.04)
    draw(image, design.flavour.drawing, w * 0.16, h * 0.81, min(w, h) * 0.08, design.flavour.colour)


def _quarter(turn: int) -> tuple[int, int]:
    return {0: (0, 90), 90: (90, 180), 180: (180, 270), 270: (270, 360)}[turn]


def _poster(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, w, h], fill=design.flavour.colour)
    r = min(w * 0.62, h * 0.38)
    disc(pen, w / 2, h * 0.62, r, lighter(design.flavour.colour, 0.3))
    draw(image, design.flavour.drawing, w / 2, h * 0.63, r * 0.72, darker(design.flavour.colour, 0.25))
    pen.rectangle([0, 0, w, h * 0.3], fill=p.field)
    for number in range(9):
        disc(pen, (number + 0.5) * w / 9, h * 0.3, w / 18, p.field)
    _name(image, design, w / 2, h * 0.13, w * 0.88, h * 0.14, readable(p.field, design))
    write(image, design.product.name, w / 2, h * 0.235, w * 0.7, h * 0.055, readable(p.field, design))
    _pill(image, design.flavour.name, w / 2, h * 0.9, w * 0.7, h * 0.08, p.paper, p.ink)


def _framed(image: Image.Image, design: Design) -> None:
    w, h = image.size
    p = design.palette
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, w, h], fill=p.field)
    gap = min(w, h) * 0.05
    for inset, fill in ((1.0, p.second), (1.25, p.field)):
        pen.rectangle([gap * inset, gap * inset, w - gap * inset, h - gap * inset], fill=fill)
    ink = readable(p.field, design)
    write(image, "·  EST. 1897  ·", w / 2, h * 0.13, w * 0.5, h * 0.03, p.second)
    _name(image, design, w / 2, h * 0.24, w * 0.76, h * 0.12, ink)
    for y in (0.32, 0.41):
        pen.line([(w * 0.2, h * y), (w * 0.8, h * y)], fill=p.second, width=max(2, int(h * 0.006)))
    write(image, design.product.name.upper(), w / 2, h * 0.365, w * 0.56, h * 0.045, p.second, 0.02)
    r = min(w * 0.3, h * 0.18)
    pen.regular_polygon((w / 2, h * 0.63, r * 1.15), 8, fill=p.paper)
    draw(image, design.flavour.drawing, w / 2, h * 0.63, r * 0.8, design.flavour.colour)
    write(image, design.flavour.name, w / 2, h * 0.865, w * 0.72, h * 0.06, ink, 0.02)


LAYOUTS: tuple[Callable[[Image.Image, Design], None], ...] = (
    _banded, _sunburst, _diagonal, _striped, _landscape, _plain, _scattered, _blocks, _poster, _framed,
)  # fmt: skip


def _reduced(image: Image.Image) -> Image.Image:
    return image.reduce(OVERSAMPLING)


def front(design: Design, width: int, height: int) -> Image.Image:
    """Draw the face that shows the brand."""
    image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), design.palette.paper)
    LAYOUTS[design.layout](image, design)
    return grained(_reduced(_grounds(image, design)), design.style, 0.03)


def _grounds(image: Image.Image, design: Design) -> Image.Image:
    """Lay the line's patterns on its two fields."""
    p = design.palette
    rng = np.random.default_rng([design.style, 1])
    first, second = (int(number) for number in rng.permutation(len(PATTERNS))[:2])
    seed = int(rng.integers(1 << 30))
    shade = darker(p.field, 0.45) if _luminance(p.field) > 110 else lighter(p.field, 0.35)
    image = patterned(
        image, p.field, (shade, p.second)[int(rng.integers(2))], first, seed, float(rng.uniform(0.25, 0.6))
    )
    return patterned(image, p.second, mix(p.second, p.paper, 0.6), second, seed, float(rng.uniform(0.2, 0.7)))


def _small_print(image: Image.Image, left: float, top: float, width: float, height: float, ink: RGB, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pen = ImageDraw.Draw(image)
    lines = 12
    for number in range(lines):
        y = top + height * (number + 0.5) / lines
        length = width * (rng.uniform(0.5, 0.7) if number % 4 == 3 else rng.uniform(0.9, 1.0))
        x = left
        while x < left + length:
            word = width * rng.uniform(0.04, 0.14)
            pen.line([(x, y), (min(x + word, left + length), y)], fill=ink, width=max(1, int(height / lines * 0.34)))
            x += word + width * 0.03


def _barcode(image: Image.Image, left: float, top: float, width: float, height: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pen = ImageDraw.Draw(image)
    pen.rectangle([left, top, left + width, top + height], fill=(255, 255, 255))
    x, end = left + width * 0.08, left + width * 0.92
    while x < end:
        bar = width * rng.choice([0.012, 0.024, 0.036])
        pen.rectangle([x, top + height * 0.1, x + bar, top + height * 0.84], fill=(20, 20, 20))
        x += bar + width * rng.choice([0.012, 0.024, 0.03])


def side(design: Design, width: int, height: int) -> Image.Image:
    """Draw a narrow face: the brand once more, a table of small print and a barcode."""
    w, h = width * OVERSAMPLING, height * OVERSAMPLING
    p = design.palette
    image = Image.new("RGB", (w, h), mix(p.field, p.paper, 0.0 if design.layout % 3 else 0.8))
    seed = sum(map(ord, design.brand)) + design.layout
    ImageDraw.Draw(image).rectangle([0, 0, w, h * 0.2], fill=design.flavour.colour)
    _name(image, design, w / 2, h * 0.1, w * 0.86, h * 0.08, readable(design.flavour.colour, design))
    ImageDraw.Draw(image).rectangle([w * 0.1, h * 0.27, w * 0.9, h * 0.66], fill=p.paper)
    _small_print(image, w * 0.16, h * 0.3, w * 0.68, h * 0.33, mix(p.ink, p.paper, 0.3), seed)
    _barcode(image, w * 0.18, h * 0.74, w * 0.64, min(h * 0.17, w * 0.5), seed)
    return _reduced(image)


def lid(design: Design, width: int, height: int) -> Image.Image:
    """Draw the top of a carton."""
    w, h = width * OVERSAMPLING, height * OVERSAMPLING
    image = Image.new("RGB", (w, h), design.palette.field)
    ink = readable(design.palette.field, design)
    _name(image, design, w / 2, h * 0.42, w * 0.8, h * 0.36, ink)
    write(image, design.flavour.name, w / 2, h * 0.78, w * 0.6, h * 0.2, ink)
    return _reduced(image)


def wrap(design: Design, width: int, height: int) -> Image.Image:
    """Draw a label that goes once round: the front in the middle and again behind, small print between."""
    panel = round(width * 0.3)
    face, back = front(design, panel, height), side(design, width // 2 - panel + 1, height)
    image = Image.new("RGB", (width, height), design.palette.field)
    quarter = width // 4
    for middle in (quarter, width - quarter):
        image.paste(back, (middle - back.width // 2, 0))
    for middle in (width // 2, 0, width):
        image.paste(face, (middle - panel // 2, 0))
    return image
