"""From nearest references to nearest items: pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kenspeckle.types import Candidate


@dataclass(frozen=True)
class Shown:
    """What a reference stands for."""

    uid: str
    item: int
    item_id: str
    label: str | None


@dataclass(frozen=True)
class Ranking:
    """Nearest items of one query.

    Attributes:
        candidates: best reference of each item, best first; of equals the older reference.
        other_label, other_similarity: nearest label other than the best item's (negatives have none and count as
            no label).
        labelled_similarity: of the nearest labelled item, None if there is none among the neighbours.
        complete: whether more neighbours could not change anything.
    """

    candidates: list[Candidate]
    other_label: str | None
    other_similarity: float | None
    labelled_similarity: float | None
    complete: bool


def rank(
    similarities: Sequence[float], ids: Sequence[int], shown: Mapping[int, Shown], top_k: int, items: int, labels: int
) -> Ranking:
    """Rank the items behind the neighbours of one query.

    Args:
        similarities, ids: of the nearest references, best first; id -1 ends the list.
        shown: what the references stand for.
        top_k: number of items wanted.
        items, labels: how many there are in the gallery: more are not waited for.
    """
    neighbours = sorted(
        ((similarity, row) for similarity, row in zip(similarities, ids, strict=True) if row >= 0),
        key=lambda pair: (-pair[0], pair[1]),
    )
    candidates: list[Candidate] = []
    seen: set[int] = set()
    other: tuple[str, float] | None = None
    labelled: float | None = None
    for similarity, row in neighbours:
        one = shown[row]
        if labelled is None and one.label is not None:
            labelled = similarity
        if other is None and candidates and one.label is not None and one.label != candidates[0].label:
            other = (one.label, similarity)
        if one.item not in seen and len(candidates) < top_k:
            seen.add(one.item)
            candidates.append(
                Candidate(item_id=one.item_id, label=one.label, similarity=similarity, reference_id=one.uid)
            )
    best = candidates[0].label if candidates else None
    others = labels - (best is not None)
    enough = len(candidates) >= min(top_k, items) and (other is not None or others == 0)
    return Ranking(candidates, other[0] if other else None, other[1] if other else None, labelled, enough)
