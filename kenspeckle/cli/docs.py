"""docs/cli.md, made from the command itself.

python -m kenspeckle.cli.docs            print the page
python -m kenspeckle.cli.docs --check    exit 1 if docs/cli.md is another
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from kenspeckle.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
HEAD = """# The command line

Made from `kenspeckle --help` by `make docs`. Results go to standard output, messages and progress to standard error;
`--json` prints one JSON object a line. Exit codes: 0 all well, 1 something failed (the reason is one sentence), 2 the
command was not understood. The address and the key of the service come from `--url` and `--key`, or from
`KENSPECKLE_URL` and `KENSPECKLE_KEY`.
"""
HIDDEN = {"--help", "--install-completion", "--show-completion"}


def render() -> str:
    """The page as Markdown."""
    root = typer.main.get_command(app)
    sections = [_section(path, command) for path, command in _commands(root, "kenspeckle")]
    return "\n".join([HEAD, *sections])


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A command and all below it, in the order of ``--help``."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    level = "#" * min(path.count(" ") + 2, 4)
    parts = [f"{level} {path}", "", *_help(command.help or "")]
    rows = [row for parameter in command.params for row in _row(parameter)]
    if rows:
        parts += ["| option | meaning |", "| --- | --- |", *rows, ""]
    return "\n".join(parts)


def _help(text: str) -> Iterator[str]:
    """Paragraphs as they are, examples as code."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            title, *lines = paragraph.removeprefix("\b").strip("\n").split("\n")
            yield from (title, "", "```sh", *(line.strip() for line in lines), "```", "")
        else:
            yield from (paragraph, "")


def _row(parameter: Any) -> Iterator[str]:
    if HIDDEN & set(parameter.opts):
        return
    is_option = parameter.opts[0].startswith("-")
    names = ", ".join(f"`{name}`" for name in parameter.opts) if is_option else f"`{_plain_name(parameter)}`"
    facts = [getattr(parameter, "help", None) or ""]
    if parameter.default not in (None, False, "", ()) and not callable(parameter.default):
        facts.append(f"Default `{parameter.default}`.")
    yield f"| {names} | {' '.join(fact for fact in facts if fact)} |"


def _plain_name(parameter: Any) -> str:
    """Name of an argument, safe in a table."""
    return str(parameter.metavar or parameter.name.upper()).replace("|", " or ")


def main(check: bool) -> int:
    """Print the page, or say whether the one in docs/ is it."""
    if not check:
        sys.stdout.write(render())
        return 0
    current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == render()
    sys.stdout.write("" if current else f"{PAGE} is out of date: run make docs\n")
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
