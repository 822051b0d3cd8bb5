"""Choosing among labelled pictures."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data.pictures import Picture


def split_by_label(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Every second picture of each label, and the rest; a label with one picture is left out."""
    groups: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        groups[picture.label].append(picture)
    enough = [group for group in groups.values() if len(group) > 1]
    return [p for group in enough for p in group[::2]], [p for group in enough for p in group[1::2]]


def split_by_photo(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """What is cut from every second photo, and the rest; only labels that both halves have."""
    number = {path: index for index, path in enumerate(sorted({p.path for p in pictures}))}
    halves = [[p for p in pictures if number[p.path] % 2 == half] for half in (0, 1)]
    common = {p.label for p in halves[0]} & {p.label for p in halves[1]}
    first, second = ([p for p in half if p.label in common] for half in halves)
    return first, second


def split_off(
    pictures: Sequence[Picture], share: float, by_class: bool, seed: int
) -> tuple[list[Picture], list[Picture]]:
    """Training and test pictures: a ``share`` of the classes, or of the files of each class, is for testing.

    A file is never in both parts; it counts for the class that it has first. By class, both parts get classes. By file,
    a class with one file stays in training, any other has files in both.

    Raises:
        ValueError: if the share is not between 0 and 1, or there is nothing to split.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share for testing lies between 0 and 1, got {share}")
    rng = np.random.default_rng(seed)
    files: dict[str, dict[Path, None]] = defaultdict(dict)
    owner: dict[Path, str] = {}
    for picture in pictures:
        files[owner.setdefault(picture.path, picture.label)][picture.path] = None
    if by_class:
        labels = sorted({picture.label for picture in pictures})
        if len(labels) < 2:
            raise ValueError("one class cannot be split by class")
        chosen = rng.permutation(labels)[: min(max(1, round(share * len(labels))), len(labels) - 1)].tolist()
        tested = {path for label in chosen for path in files.get(label, ())}
    else:
        tested = set()
        for label in sorted(files):
            count = min(max(1, round(share * len(files[label]))), len(files[label]) - 1)
            tested |= {list(files[label])[place] for place in rng.permutation(len(files[label]))[:count]}
    if not tested:
        raise ValueError("no class has two files, so that nothing can be split off; split by class")
    return [p for p in pictures if p.path not in tested], [p for p in pictures if p.path in tested]


def spread(pictures: Sequence[Picture], count: int, seed: int = 0) -> list[Picture]:
    """``count`` pictures (all, if fewer), as equally over labels as their numbers allow."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(pictures)):
        groups[pictures[index].label].append(int(index))
    rank = {index: place for group in groups.values() for place, index in enumerate(group)}
    chosen = sorted(rank, key=lambda index: rank[index])[:count]
    return [pictures[index] for index in sorted(chosen)]
