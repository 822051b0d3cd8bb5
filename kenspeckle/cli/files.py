"""Picture files and boxes as they are given on the command line."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from kenspeckle.types import Box

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"})


def pictures_in(folder: Path) -> list[Path]:
    """Picture files below a folder by their names, in order; hidden ones are left out."""
    inside = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def expand(sources: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Each picture of files and folders, with its name below the folder that was given.

    Raises:
        typer.BadParameter: if something is not there, or a folder holds no picture.
    """
    for source in sources:
        if source.is_dir():
            found = pictures_in(source)
            if not found:
                raise typer.BadParameter(f"{source} holds no pictures")
            yield from ((path, path.relative_to(source)) for path in found)
        elif source.exists():
            yield source, Path(source.name)
        else:
            raise typer.BadParameter(f"{source}: there is no such file or folder")


def parse_box(text: str) -> Box:
    """A box from ``x0,y0,x1,y1``, with or without brackets.

    Raises:
        ValueError: saying what is wrong.
    """
    parts = text.strip().strip("[]()").replace(";", ",").split(",")
    try:
        x0, y0, x1, y1 = (float(part) for part in parts)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a box: four numbers x0,y0,x1,y1 are needed") from error
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"{text!r} is not a box: x0 must be less than x1, and y0 less than y1")
    return x0, y0, x1, y1
