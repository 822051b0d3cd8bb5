"""Pictures with what was recognised drawn on them: a pure function from picture and answer to picture.

The decision is told by colour and by line, so that it can be read without either alone: known solid, ambiguous
dashed, unknown dotted. Every line and plate has a dark rim, so that it stands out from any background.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from kenspeckle.decision import Verdict
from kenspeckle.types import Box, Recognition, RecognizedObject

Colour = tuple[int, int, int]

COLOURS: dict[Verdict, Colour] = {"known": (22, 196, 138), "ambiguous": (255, 176, 32), "unknown": (182, 170, 255)}
INK, PLATE, RIM, PALE = (255, 255, 255, 255), (17, 20, 28, 226), (10, 12, 18, 150), (255, 255, 255, 178)
SYSTEM_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf")
SMOOTH_UP_TO = 2200
SMALLEST_UNIT = 0.55  # text of 12 pixels, lines of 2


@dataclass(frozen=True)
class _Style:
    """Sizes in drawing pixels, all made from one unit."""

    line: float
    dash: float
    radius: float
    text: int
    pad: float

    @classmethod
    def of(cls, size: tuple[int, int], factor: int) -> "_Style":
        unit = factor * max(math.sqrt(size[0] * size[1]) / 1000, SMALLEST_UNIT)
        return cls(line=3.6 * unit, dash=17 * unit, radius=9 * unit, text=round(21 * unit), pad=7 * unit)


def annotate(image: Image.Image, recognition: Recognition) -> Image.Image:
    """Draw boxes, labels and probabilities on a copy of a picture.

    Args:
        image: the recognised picture, upright, at any scale.
        recognition: the answer; its boxes are in pixels of the full-size picture.

    Returns:
        An RGB picture of the size of ``image``.
    """
    factor = 2 if max(image.size) <= SMOOTH_UP_TO else 1
    overlay = Image.new("RGBA", (image.width * factor, image.height * factor))
    scale = (overlay.width / recognition.image.width, overlay.height / recognition.image.height)
    style = _Style.of(image.size, factor)
    draw = ImageDraw.Draw(overlay)
    objects = sorted(recognition.objects, key=lambda found: _area(found.box), reverse=True)
    boxes = [_inside(_scaled(found.box, scale), overlay.size, style.line) for found in objects]
    for found, box in zip(objects, boxes, strict=True):
        _draw_frame(draw, box, found.decision, style)
    taken: list[Box] = []
    for found, box in zip(objects, boxes, strict=True):
        _draw_plate(draw, overlay.size, box, found, style, taken)
    return Image.alpha_composite(image.convert("RGBA"), overlay.reduce(factor)).convert("RGB")


def caption(found: RecognizedObject) -> tuple[str, str]:
    """What the plate of an object says: the name, and what is to be said about it."""
    percent = f"{found.probability:.0%}"
    if found.decision == "known":
        return found.label or "", percent
    if found.decision == "ambiguous":
        # The other label would fit on few plates; the table and the console name it.
        return f"{found.label}?", percent
    guess = next((candidate.label for candidate in found.candidates if candidate.label), None)
    return "unknown", f"perhaps {guess}" if guess and found.probability >= 0.1 else ""


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _scaled(box: Box, scale: tuple[float, float]) -> Box:
    return box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]


def _inside(box: Box, size: tuple[int, int], line: float) -> Box:
    """Keep the whole line of a frame inside the picture, and its corners in order."""
    x0, y0 = max(box[0], line), max(box[1], line)
    return x0, y0, max(min(box[2], size[0] - line), x0 + 1), max(min(box[3], size[1] - line), y0 + 1)


# --- frames ------------------------------------------------------------------------------------------------


def _draw_frame(draw: ImageDraw.ImageDraw, box: Box, verdict: Verdict, style: _Style) -> None:
    colour = (*COLOURS[verdict], 255)
    if verdict == "known":
        radius = min(style.radius, (box[2] - box[0]) / 2, (box[3] - box[1]) / 2)
        rim = _grown(box, style.line * 0.6)
        draw.rounded_rectangle(rim, radius + style.line, outline=RIM, width=round(style.line * 2.2))
        draw.rounded_rectangle(box, radius, outline=colour, width=round(style.line))
        return
    dots = verdict == "unknown"
    length, gap = (0.0, style.line * 3.0) if dots else (style.dash, style.dash * 0.9)
    pieces = [piece for edge in _edges(box) for piece in _dashes(*edge, length, gap)]
    for width, fill in ((style.line * 2.1, RIM), (style.line * 1.15, colour)):
        for start, end in pieces:
            _draw_capsule(draw, start, end, width / 2, fill)


def _grown(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _edges(box: Box) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    corners = [(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])]
    yield from zip(corners, corners[1:] + corners[:1], strict=True)


def _dashes(
    start: tuple[float, float], end: tuple[float, float], length: float, gap: float
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Cut an edge into dashes that begin and end at its corners (a length of 0 gives dots)."""
    whole = math.dist(start, end)
    count = max(1, round((whole + gap) / (length + gap)))
    step = (whole - length) / max(count - 1, 1)
    for index in range(count):
        at, to = index * step / whole, min(1.0, (index * step + length) / whole)
        yield _between(start, end, at), _between(start, end, to)


def _between(start: tuple[float, float], end: tuple[float, float], share: float) -> tuple[float, float]:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _draw_capsule(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
    fill: tuple[int, int, int, int],
) -> None:
    left, right = sorted((start[0], end[0]))
    top, bottom = sorted((start[1], end[1]))
    draw.rounded_rectangle((left - radius, top - radius, right + radius, bottom + radius), radius, fill=fill)


# --- plates ------------------------------------------------------------------------------------------------


def _draw_plate(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: Box,
    found: RecognizedObject,
    style: _Style,
    taken: list[Box],
) -> None:
    name, remark = (_printable(text) for text in caption(found))
    font = _font(style.text, (name + remark).isascii())
    small = _font(round(style.text * 0.82), (name + remark).isascii())
    mark = style.text * 0.62
    room = size[0] * 0.5 - mark - style.pad * 4
    name = _shortened(name, font, room)
    remark = _shortened(remark, small, room - font.getlength(name))
    gap = style.pad if remark else 0.0
    plate_width = style.pad * 3 + mark + font.getlength(name) + gap + small.getlength(remark)
    plate_height = style.text * 1.25 + style.pad * 1.3
    x, y = _place(box, plate_width, plate_height, size, taken, style.line * 1.5)
    plate = (x, y, x + plate_width, y + plate_height)
    taken.append(plate)
    radius = min(style.radius * 0.8, plate_height / 2)
    draw.rounded_rectangle(plate, radius, fill=PLATE, outline=(*COLOURS[found.decision], 255), width=_thin(style))
    middle = y + plate_height / 2
    _draw_mark(draw, (x + style.pad + mark / 2, middle), mark / 2, found.decision, _thin(style))
    text_x = x + style.pad * 2 + mark
    draw.text((text_x, middle), name, INK, font, anchor="lm")
    draw.text((text_x + font.getlength(name) + gap, middle), remark, PALE, small, anchor="lm")


def _thin(style: _Style) -> int:
    return max(1, round(style.line * 0.55))


def _place(
    box: Box, width: float, height: float, size: tuple[int, int], taken: Sequence[Box], gap: float
) -> tuple[float, float]:
    """The first free place for a plate: above the box, in its top, below it, in its bottom, at its right."""
    left = max(0.0, min(box[0], size[0] - width))
    right = max(0.0, min(box[2] - width, size[0] - width))
    inner = max(0.0, min(box[0] + gap * 1.5, size[0] - width))
    places = [
        (left, box[1] - height - gap),
        (inner, box[1] + gap * 1.5),
        (right, box[1] - height - gap),
        (left, box[3] + gap),
        (inner, box[3] - height - gap * 1.5),
        (inner, (box[1] + box[3] - height) / 2),
    ]
    inside = [(x, y) for x, y in places if 0 <= y <= size[1] - height]
    free = [(x, y) for x, y in inside if not any(_touch((x, y, x + width, y + height), other) for other in taken)]
    return next(iter(free or inside), (left, max(0.0, min(box[1], size[1] - height))))


def _touch(first: Box, second: Box) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _draw_mark(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, verdict: Verdict, line: int
) -> None:
    """A disc for known, a triangle for ambiguous, a ring for unknown."""
    colour, (x, y) = COLOURS[verdict], centre
    if verdict == "ambiguous":
        draw.polygon([(x, y - radius), (x + radius, y + radius * 0.8), (x - radius, y + radius * 0.8)], fill=colour)
    elif verdict == "known":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    else:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=line * 2)


@lru_cache(maxsize=64)
def _font(size: int, ascii_only: bool) -> ImageFont.FreeTypeFont:
    """Pillow's own font for plain text; for other scripts a font of the system that has them, if there is one."""
    if not ascii_only:
        for name in SYSTEM_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType: text cannot be drawn")
    return font


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _shortened(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return f"{text.rstrip()}…" if text else ""
