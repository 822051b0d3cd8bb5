"""The page of an evaluation: one HTML file that holds everything it shows and runs nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kenspeckle.cli.gallery.evaluation import CurvePoint, Outcome, Summary
from kenspeckle.cli.output import SIGNS
from kenspeckle.report import document, figure_cards, picture, table

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 300, 46, 48, 14, 26


@dataclass(frozen=True)
class Case:
    """A case to look at, with the picture asked about and the reference that it resembled (JPEG, if to be had)."""

    outcome: Outcome
    picture: bytes | None
    reference: bytes | None


def page(title: str, summary: Summary, cases: Sequence[Case]) -> str:
    """The whole page as text."""
    parts = [
        f"<p>{summary.known} pictures of enrolled things, {summary.unknown} of unknown ones.</p>",
        figure_cards(figures(summary)),
        "<h2>Accepted at each asked rate</h2>",
        "<p>Solid: enrolled things whose most similar label is right. Dashed: unknown things.</p>",
        f"<div class='plot'>{plot(summary.curve)}</div>",
        _confusions(summary.confusions),
        _cases(cases),
    ]
    return document(title, parts)


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


def _confusions(pairs: Sequence[tuple[str, str, int]]) -> str:
    if not pairs:
        return ""
    return f"<h2>Confusions</h2>{table(['it is', 'it looked most like', 'pictures'], pairs)}"


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return "<h2>Worst cases</h2><p>None: everything was rightly named or rightly refused.</p>"
    return f"<h2>Worst cases</h2><div class='cases'>{''.join(map(_case, cases))}</div>"


def _case(case: Case) -> str:
    outcome = case.outcome
    said = outcome.answer or (f"perhaps {outcome.guess}" if outcome.guess else "")
    return (
        "<div class='case'><div class='pair'>"
        f"{picture(case.picture, 'it is: ' + (outcome.truth or 'something unknown'))}"
        f"{picture(case.reference, 'most like: ' + (outcome.guess or '–'))}</div>"
        f"<b class='{outcome.verdict}'>{SIGNS[outcome.verdict]} {outcome.verdict} {escape(said)}</b>"
        f"<p>{outcome.probability:.0%} probable. {escape(outcome.reason)}</p>"
        f"<p>{escape(str(outcome.picture))}</p></div>"
    )
