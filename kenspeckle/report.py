"""Parts of an HTML report: one file that holds everything it shows and runs nothing."""

import base64
import io
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image, ImageOps

from kenspeckle.types import Box

THUMBNAIL = 220

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f27; --soft: #5c6473; --line: #dde1e8; --paper: #f6f7f9; --card: #fff;
  --known: #0b8f63; --ambiguous: #b26a00; --unknown: #6d5bd0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --soft: #98a1b3; --line: #2c323d; --paper: #12151b;
  --card: #1a1e26; --known: #2fd39a; --ambiguous: #ffb743; --unknown: #b3a4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 40px 20px 80px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 44px 0 12px; } p { color: var(--soft); margin: 4px 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 12px; margin-top: 24px; }
.figure, .case, .plot { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.figure { padding: 14px 16px; } .figure b { display: block; font-size: 25px; font-weight: 650; }
.figure span { color: var(--soft); font-size: 13px; }
.plot { padding: 14px; } .plot svg, .plot img { width: 100%; height: auto; display: block; }
.plot text { fill: var(--soft); font: 12px system-ui, sans-serif; } .grid { stroke: var(--line); }
.right { stroke: var(--known); } .false { stroke: var(--unknown); stroke-dasharray: 7 5; }
.plot polyline { fill: none; stroke-width: 2.5; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 14px; }
.case { padding: 12px; overflow-wrap: anywhere; } .pair { display: flex; gap: 8px; margin-bottom: 8px; }
.pair figure { flex: 1; margin: 0; } .pair img, .none { width: 100%; height: 150px; object-fit: contain;
  background: var(--paper); border-radius: 8px; display: block; } figcaption { font-size: 12px; color: var(--soft); }
.known { color: var(--known); } .ambiguous { color: var(--ambiguous); } .unknown { color: var(--unknown); }
.case p { font-size: 13px; }
"""


def document(title: str, parts: Sequence[str]) -> str:
    """The whole report as text; ``parts`` are HTML."""
    head = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
    ]
    return "\n".join([*head, *parts, "</body></html>"])


def figure_cards(figures: Sequence[tuple[str, float | None]]) -> str:
    """Shares by name, large."""
    cards = (
        f"<div class='figure'><b>{'–' if share is None else f'{share:.1%}'}</b><span>{escape(name)}</span></div>"
        for name, share in figures
    )
    return f"<div class='figures'>{''.join(cards)}</div>"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of text."""
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def picture(content: bytes | None, caption: str) -> str:
    """A JPEG with its caption; an empty place where there is none."""
    shown = "<div class='none'></div>" if content is None else embedded(content, "jpeg")
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def embedded(content: bytes, kind: str) -> str:
    """An image, ``kind`` jpeg or png, within the page."""
    return f"<img alt='' src='data:image/{kind};base64,{base64.b64encode(content).decode()}'>"


def thumbnail(picture: Path | bytes, box: Box | None = None) -> bytes | None:
    """A small JPEG of a picture, or of what is in a box of it; None for what cannot be opened here."""
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
            upright = ImageOps.exif_transpose(image)
            small = (upright.crop(_whole_pixels(box)) if box else upright).convert("RGB")
            small.thumbnail((THUMBNAIL, THUMBNAIL))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def _whole_pixels(box: Box) -> tuple[int, int, int, int]:
    return math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
