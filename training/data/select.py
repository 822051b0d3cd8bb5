"""Choosing among labelled pictures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.pictures import Picture

LEFT_OUT_SHARE = 10
"""Every so manyth class calibrates, and as many make the cohort."""
LEAST_CLASSES, MOST_CLASSES = 3, 30
"""Bounds of that number."""
LEAST_COHORT = 40
"""Pictures for cohort and unknown things: half of them, 20, is the least against which 5 % can be told."""


@dataclass(frozen=True)
class ClassesByUse:
    """Pictures of different classes: ``training``, and two parts that train nothing."""

    training: list[Picture]
    calibration: list[Picture]
    others: list[Picture]


class TooFewClasses(ValueError):
    """Leaving classes out would leave too few to learn from."""


def leave_classes_out(pictures: Sequence[Picture]) -> ClassesByUse:
    """Leave some classes out of training, to calibrate on things that the network never saw.

    A tenth of the classes, each of two pictures or more, calibrates; as many others, and more of them until they have
    ``LEAST_COHORT`` pictures, stand for everything else. Which ones follows from the names alone.

    Raises:
        TooFewClasses: if fewer than half of the classes would be left to train on.
    """
    groups: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        groups[picture.label].append(picture)
    labels: list[str] = np.random.default_rng(0).permutation(sorted(groups)).tolist()
    wanted = min(MOST_CLASSES, max(LEAST_CLASSES, len(labels) // LEFT_OUT_SHARE))
    calibration = [label for label in labels if len(groups[label]) > 1][:wanted]
    others: list[str] = []
    for label in labels:
        enough = len(others) >= wanted and sum(len(groups[one]) for one in others) >= LEAST_COHORT
        if label not in calibration and not enough:
            others.append(label)
    training = sorted(set(labels) - {*calibration, *others})
    if len(calibration) < wanted or 2 * len(training) < len(labels):
        raise TooFewClasses(
            f"{len(labels)} classes with {len(pictures)} pictures are too few to keep some out of training: that takes"
            f" {LEAST_CLASSES} classes of two pictures or more, {LEAST_CLASSES} others with together {LEAST_COHORT}"
            " pictures, and as many classes to train on"
        )
    return ClassesByUse(*([p for label in part for p in groups[label]] for part in (training, calibration, others)))


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
