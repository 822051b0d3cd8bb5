"""Choosing among labelled pictures."""

from collections import defaultdict
from collections.abc import Sequence

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


def spread(pictures: Sequence[Picture], count: int, seed: int = 0) -> list[Picture]:
    """``count`` pictures (all, if fewer), as equally over labels as their numbers allow."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(pictures)):
        groups[pictures[index].label].append(int(index))
    rank = {index: place for group in groups.values() for place, index in enumerate(group)}
    chosen = sorted(rank, key=lambda index: rank[index])[:count]
    return [pictures[index] for index in sorted(chosen)]
