"""The page of an evaluation: one HTML file that holds everything it shows and runs nothing."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image, ImageOps

from kenspeckle.cli.gallery.evaluation import CurvePoint, Outcome, Summary
from kenspeckle.cli.output import SIGNS
from kenspeckle.types import Box

THUMBNAIL = 220
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 300, 46, 48, 14, 26

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
.plot { padding: 14px; } .plot svg { width: 100%; height: auto; display: block; }
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


@dataclass(frozen=True)
class Case:
    """A case to look at, with the picture asked about and the reference that it resembled (JPEG, if to be had)."""

    outcome: Outcome
    picture: bytes | None
    reference: bytes | None


def page(title: str, summary: Summary, cases: Sequence[Case]) -> str:
    """The whole page as text."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
        f"<p>{summary.known} pictures of enrolled things, {summary.unknown} of unknown ones.</p>",
        f"<div class='figures'>{''.join(_figure(name, share) for name, share in figures(summary))}</div>",
        "<h2>Accepted at each asked rate</h2>",
        "<p>Solid: enrolled things whose most similar label is right. Dashed: unknown things.</p>",
        f"<div class='plot'>{plot(summary.curve)}</div>",
        _confusions(summary.confusions),
        _cases(cases),
        "</body></html>",
    ]
    return "\n".join(parts)


def figures(summary: Summary) -> list[tuple[str, float | None]]:
    """The shares of a summary, by the names that a person reads."""
    return [
        ("recall@1: the most similar label is right", summary.recall_at_1),
        ("known, and rightly named", summary.known_right),
        ("ambiguous", summary.ambiguous),
        ("enrolled, but called unknown", summary.called_unknown),
        ("known, but wrongly named", summary.known_wrong),
        ("unknown things called known", summary.false_accepts),
    ]


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


def plot(points: Sequence[CurvePoint]) -> str:
    """The open-set curve as SVG; the asked rate on a logarithmic axis."""
    if not points:
        return "<p>Nothing was recognised.</p>"
    low = math.floor(math.log10(min([0.1, *(point.rate for point in points)])))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(rate: float) -> float:
        return right - (right - LEFT) * math.log10(rate) / low

    def y(share: float) -> float:
        return bottom - (bottom - TOP) * share

    parts = [f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='Shares accepted against the asked rate'>"]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f"<line class='grid' x1='{LEFT}' x2='{right}' y1='{y(share):.1f}' y2='{y(share):.1f}'/>")
        parts.append(f"<text x='{LEFT - 8}' y='{y(share) + 4:.1f}' text-anchor='end'>{share:.0%}</text>")
    for power in range(low, 1):
        at = x(10.0**power)
        parts.append(f"<line class='grid' x1='{at:.1f}' x2='{at:.1f}' y1='{TOP}' y2='{bottom}'/>")
        parts.append(f"<text x='{at:.1f}' y='{bottom + 18}' text-anchor='middle'>{10.0 ** (power + 2):g} %</text>")
    parts.append(f"<text x='{(LEFT + right) / 2}' y='{HEIGHT - 6}' text-anchor='middle'>asked rate</text>")
    parts.append(_line("right", [(x(p.rate), y(p.right)) for p in points], right, bottom))
    false = [(x(p.rate), y(p.false)) for p in points if p.false is not None]
    if false:
        parts.append(_line("false", false, right, bottom))
    return "".join([*parts, "</svg>"])


def _line(name: str, corners: Sequence[tuple[float, float]], right: float, bottom: float) -> str:
    """A staircase from the left bottom to the right border."""
    path, height = [(float(LEFT), bottom)], bottom
    for x, y in corners:
        path += [(x, height), (x, y)]
        height = y
    path.append((right, height))
    return f"<polyline class='{name}' points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in path)}'/>"


def _figure(name: str, share: float | None) -> str:
    value = "–" if share is None else f"{share:.1%}"
    return f"<div class='figure'><b>{value}</b><span>{escape(name)}</span></div>"


def _confusions(pairs: Sequence[tuple[str, str, int]]) -> str:
    if not pairs:
        return ""
    rows = "".join(
        f"<tr><td>{escape(truth)}</td><td>{escape(guess)}</td><td>{count}</td></tr>" for truth, guess, count in pairs
    )
    return (
        f"<h2>Confusions</h2><table><tr><th>it is</th><th>it looked most like</th><th>pictures</th></tr>{rows}</table>"
    )


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return "<h2>Worst cases</h2><p>None: everything was rightly named or rightly refused.</p>"
    return f"<h2>Worst cases</h2><div class='cases'>{''.join(map(_case, cases))}</div>"


def _case(case: Case) -> str:
    outcome = case.outcome
    said = outcome.answer or (f"perhaps {outcome.guess}" if outcome.guess else "")
    return (
        "<div class='case'><div class='pair'>"
        f"{_picture(case.picture, 'it is: ' + (outcome.truth or 'something unknown'))}"
        f"{_picture(case.reference, 'most like: ' + (outcome.guess or '–'))}</div>"
        f"<b class='{outcome.verdict}'>{SIGNS[outcome.verdict]} {outcome.verdict} {escape(said)}</b>"
        f"<p>{outcome.probability:.0%} probable. {escape(outcome.reason)}</p>"
        f"<p>{escape(str(outcome.picture))}</p></div>"
    )


def _picture(content: bytes | None, caption: str) -> str:
    if content is None:
        image = "<div class='none'></div>"
    else:
        image = f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(content).decode()}'>"
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
