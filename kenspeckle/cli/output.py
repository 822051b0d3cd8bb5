"""What is printed, and how: text from outside can neither steer the terminal nor be taken for markup."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.style import Style
from rich.table import Table
from rich.text import Text

from kenspeckle.client import KenspeckleError, ProblemError
from kenspeckle.decision import Verdict

STYLES: dict[Verdict, str] = {"known": "green", "ambiguous": "yellow", "unknown": "magenta"}
SIGNS: dict[Verdict, str] = {"known": "●", "ambiguous": "▲", "unknown": "○"}
UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
# Controls that JSON leaves as they are: DEL, C1, bidirectional marks and line separators.
_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Text with everything that could steer a terminal made visible as an escape."""
    return "".join(_visible(char) if unicodedata.category(char) in UNPRINTABLE else char for char in text)


def _visible(char: str) -> str:
    return char.encode("unicode_escape").decode()


def cell(value: object, style: str = "") -> Text:
    """A table cell or line: never markup."""
    return Text("" if value is None else plain(str(value)), style)


def out() -> Console:
    """Where results go."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=False)


def err() -> Console:
    """Where messages and progress go, so that results can be piped."""
    return Console(file=sys.stderr, highlight=False)


def say(message: str, style: str = "") -> None:
    """A message beside the results."""
    err().print(cell(message, style), soft_wrap=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """End with one red sentence."""
    say(message, "bold red")
    raise typer.Exit(code)


def print_json(value: BaseModel | Mapping[str, Any]) -> None:
    """One JSON object on one line."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(data, ensure_ascii=False)
    sys.stdout.write(_STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


def problem_json(error: KenspeckleError) -> dict[str, Any]:
    """An error as JSON: the service's problem document, or one like it."""
    if isinstance(error, ProblemError):
        return error.problem.model_dump(mode="json")
    return {"type": "about:blank", "title": str(error)}


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """A table; cells are text or ``Text``. Columns of numbers are named with a leading ``#``."""
    if title:
        out().print(cell(title, "bold"))
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else cell(value) for value in row))
    out().print(table)


def decision_cell(verdict: Verdict) -> Text:
    """A decision by sign, word and colour."""
    return Text(f"{SIGNS[verdict]} {verdict}", Style.parse(STYLES[verdict]))


def progress() -> Progress:
    """A progress bar beside the results; nothing where nobody watches."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
