"""From search hits to the objects of an answer: decide and suppress. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from kenspeckle.decision import Calibrator, Match, decide
from kenspeckle.geometry import box_iou, suppress
from kenspeckle.types import Box, RecognizedObject, SearchHit, Source

# A box that covers the picture this well shows the same thing as the whole picture.
SAME_THING_IOU = 0.5


@dataclass(frozen=True)
class Region:
    """A part of a picture that may be an object."""

    box: Box
    source: Source
    detection_score: float | None


@dataclass(frozen=True)
class Rule:
    """What a decision depends on besides the hit."""

    false_accept_rate: float
    calibrator: Calibrator
    sure: float
    cohort_size: int


def judge(region: Region, hit: SearchHit, rule: Rule) -> RecognizedObject:
    """The object that a region is, by what the index says of it."""
    best = hit.candidates[0] if hit.candidates else None
    match = None
    if best is not None and hit.p_value is not None:
        match = Match(
            label=best.label,
            item_id=best.item_id,
            similarity=best.similarity,
            other_similarity=hit.other_similarity,
            other_label=hit.other_label,
            p_value=hit.p_value,
            cohort_size=rule.cohort_size,
        )
    decision = decide(match, rule.false_accept_rate, rule.calibrator, rule.sure)
    return RecognizedObject(
        box=region.box,
        source=region.source,
        detection_score=region.detection_score,
        decision=decision.verdict,
        label=decision.label,
        item_id=decision.item_id,
        probability=decision.probability,
        similarity=best.similarity if best else None,
        margin=decision.margin,
        p_value=hit.p_value,
        reason=decision.reason,
        candidates=hit.candidates,
    )


def kept(objects: Sequence[RecognizedObject], iou: float) -> list[int]:
    """Indices of the objects that are reported, in the order given.

    Of overlapping objects with one label the most probable one stays. The whole picture stays if it is known and
    no other object has its label, or if there is nothing else; where it is known, a box that covers nearly all of
    it and is not known is the same thing seen worse, and goes.
    """
    whole = next((index for index, found in enumerate(objects) if found.source == "whole"), None)
    parts = [index for index in range(len(objects)) if index != whole]
    if whole is not None and objects[whole].decision == "known":
        parts = [index for index in parts if not _is_worse_view(objects[index], objects[whole])]
    stay = suppress(
        [objects[index].box for index in parts],
        [objects[index].probability for index in parts],
        [objects[index].label for index in parts],
        iou,
    )
    result = [parts[place] for place in stay]
    if whole is not None:
        adds = objects[whole].decision == "known" and objects[whole].label not in {objects[i].label for i in result}
        if adds or not result:
            result.append(whole)
    return sorted(result)


def _is_worse_view(part: RecognizedObject, whole: RecognizedObject) -> bool:
    return part.decision != "known" and bool(box_iou([part.box], [whole.box])[0, 0] >= SAME_THING_IOU)
