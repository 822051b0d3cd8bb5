"""What an adapter is: a known data set, and how its official files are laid out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.data.labels import LabelledSet, labelled_set
from training.data.pictures import Picture
from training.data.readers.base import existing


class Layout(Protocol):
    """How the files of a data set lie."""

    @property
    def splits(self) -> Sequence[str]:
        """Parts that can be read: train, test, query, gallery …, or all."""
        ...

    @property
    def tree(self) -> str:
        """The files in one line, for people."""
        ...

    def read(self, root: Path, split: str) -> list[Picture]:
        """The pictures of a part.

        Raises:
            ValueError: naming the file that is missing or wrong.
        """
        ...


@dataclass(frozen=True)
class KnownSet:
    """A data set that the documents of the old stack name, or that benchmarks use.

    ``pictures`` and ``classes`` are what its makers or those documents state (None: not stated); ``used_in`` any of
    V1, V2 (general models), application, model (single models), benchmark.
    """

    name: str
    layout: Layout
    pictures: int | None
    classes: int | None
    where: str
    licence: str
    used_in: tuple[str, ...]
    note: str = ""


def open_known(known: KnownSet, image_root: str, split: str | None = None, relabel: bool = False) -> LabelledSet:
    """Read a part of a known data set; by default its first, which is what one trains on.

    Raises:
        ValueError: if there is no such part, or files are missing or wrong.
    """
    splits = known.layout.splits
    part = splits[0] if split is None else split
    if part not in splits:
        raise ValueError(f"{known.name} has no part {part!r}; there are {', '.join(splits)}")
    pictures = known.layout.read(existing(Path(image_root), "folder"), part)
    if not pictures:
        raise ValueError(f"{known.name}: no pictures in {image_root} for {part!r}; wanted {known.layout.tree}")
    return labelled_set(pictures, relabel)
