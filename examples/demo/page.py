"""The contact page: every photo with what was recognised in it, one file beside its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kenspeckle.types import RecognizedObject

STYLE = """
:root { color-scheme: light dark; --ink: #1b2027; --dim: #68707c; --paper: #f6f4ef; --card: #fff; --line: #e4e0d6 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #edf0f4; --dim: #98a1ae; --paper: #14171c; --card: #1d2229; --line: #2c333d } }
* { box-sizing: border-box } body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif } main { max-width: 1280px; margin: auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.9rem; margin: 0; letter-spacing: -.02em } p { color: var(--dim); margin: .3rem 0 2rem }
section { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)) }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 14px; overflow: hidden }
img { display: block; width: 100%; height: auto } table { width: 100%; border-collapse: collapse; font-size: .9rem }
td { padding: .45rem 1rem; border-top: 1px solid var(--line) } td:last-child { text-align: right;
  font-variant-numeric: tabular-nums } .mark { width: 7.5rem; font-weight: 600 }
.known { color: #0d8f66 } .ambiguous { color: #b97800 } .unknown { color: #7a68d8 }
"""
MARKS = {"known": "● known", "ambiguous": "▲ ambiguous", "unknown": "○ unknown"}


@dataclass(frozen=True)
class Entry:
    """One photo on the page: the file name of its annotated picture, its size, and what was found."""

    file: str
    width: int
    height: int
    objects: Sequence[RecognizedObject]


def page(entries: Sequence[Entry], summary: str) -> str:
    """Write the page."""
    figures = "".join(_figure(entry) for entry in entries)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Kenspeckle demo</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><main><h1>What Kenspeckle saw</h1><p>{escape(summary)}</p>"
        f"<section>{figures}</section></main></html>\n"
    )


def _figure(entry: Entry) -> str:
    rows = "".join(_row(found) for found in entry.objects)
    image = f'<img src="{escape(entry.file)}" width="{entry.width}" height="{entry.height}" alt="Annotated photo">'
    return f"<figure>{image}<table>{rows}</table></figure>"


def _row(found: RecognizedObject) -> str:
    name = escape(found.label or "not in the gallery")
    mark = f'<td class="mark {found.decision}">{MARKS[found.decision]}</td>'
    return f'<tr title="{escape(found.reason)}">{mark}<td>{name}</td><td>{found.probability:.0%}</td></tr>'
