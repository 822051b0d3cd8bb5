"""How well the answers agree with what is truly in the photos. Pure functions."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from examples.rendering.scenes import Shown
from kenspeckle.types import Box, RecognizedObject

SAME_PLACE = 0.5
A_PART = 0.7
# Measured on the demo's seed: 19 of 24 named, 21 named or offered, 2 of 2 strangers unnamed, no wrong name, one other
# object called unknown. The seed was picked out of eight, with an earlier extractor, so these say nothing of accuracy:
# they only tell a demo that works from one that is broken.
LEAST_NAMED, LEAST_RIGHT, LEAST_UNNAMED, MOST_WRONG = 0.6, 0.75, 0.5, 2


@dataclass(frozen=True)
class Rates:
    """Counts over photos: enrolled things shown, those rightly named, those whose right label was the better of two
    offered (``ambiguous``), strangers shown, those not named, those of them for which no label was offered either,
    wrong names, and other objects that were called unknown."""

    enrolled: int
    named: int
    offered: int
    strangers: int
    unnamed: int
    unknown: int
    wrong: int
    others: int = 0

    @property
    def named_share(self) -> float:
        """Share of the enrolled things that were found and rightly named."""
        return self.named / max(self.enrolled, 1)

    @property
    def right_share(self) -> float:
        """Share of the enrolled things that were found and rightly named or offered."""
        return (self.named + self.offered) / max(self.enrolled, 1)

    @property
    def unnamed_share(self) -> float:
        """Share of the strangers that were not taken for something enrolled."""
        return self.unnamed / max(self.strangers, 1)

    @property
    def met(self) -> bool:
        """Whether the demo is as good as it has to be."""
        enough = self.named_share >= LEAST_NAMED and self.right_share >= LEAST_RIGHT
        return enough and self.unnamed_share >= LEAST_UNNAMED and self.wrong <= MOST_WRONG


def overlap(first: Box, second: Box) -> float:
    """Area shared by two boxes over the area of both."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / max(areas - shared, 1e-9)


def inside(part: Box, whole: Box) -> float:
    """Share of a box that lies in another."""
    width = min(part[2], whole[2]) - max(part[0], whole[0])
    height = min(part[3], whole[3]) - max(part[1], whole[1])
    return max(width, 0.0) * max(height, 0.0) / max((part[2] - part[0]) * (part[3] - part[1]), 1e-9)


def truth_of(found: RecognizedObject, shown: Sequence[Shown]) -> Shown | None:
    """The thing that stands where an object was found, or that the object is a part of."""
    best = max(shown, key=lambda entry: overlap(entry.box, found.box), default=None)
    if best is None or overlap(best.box, found.box) >= SAME_PLACE or inside(found.box, best.box) >= A_PART:
        return best
    return None


def rates(answers: Iterable[tuple[Sequence[Shown], Sequence[RecognizedObject]]], enrolled: Collection[str]) -> Rates:
    """Count over (what is shown, what was found) of each photo; ``enrolled`` are the labels in the gallery.

    A thing is named if a ``known`` object with its label has a box like its own. A wrong name is a ``known`` object
    whose label is not that of the thing in its place, parts of things included. A stranger counts as unnamed if no
    ``known`` object stands in its place, found or not, and as unknown if no ``ambiguous`` one does either.
    """
    counts = dict.fromkeys(("enrolled", "named", "offered", "strangers", "unnamed", "unknown", "others", "wrong"), 0)
    for shown, objects in answers:
        said = [(truth_of(found, shown), found.label) for found in objects if found.decision == "known"]
        counts["wrong"] += sum(truth is None or truth.thing.label != label for truth, label in said)
        counts["others"] += sum(f.decision == "unknown" and truth_of(f, shown) is None for f in objects)
        for entry in shown:
            if entry.thing.label in enrolled:
                here = {found.decision for found in objects if _is_right(found, entry)}
                counts["enrolled"] += 1
                counts["named"] += "known" in here
                counts["offered"] += here == {"ambiguous"}
            else:
                counts["strangers"] += 1
                unnamed = all(truth is not entry for truth, _ in said)
                asked = any(found.decision == "ambiguous" and truth_of(found, shown) is entry for found in objects)
                counts["unnamed"] += unnamed
                counts["unknown"] += unnamed and not asked
    return Rates(**counts)


def _is_right(found: RecognizedObject, entry: Shown) -> bool:
    return found.label == entry.thing.label and overlap(entry.box, found.box) >= SAME_PLACE
