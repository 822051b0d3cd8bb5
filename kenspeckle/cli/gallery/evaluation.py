"""How well labelled pictures are recognised. Pure functions over outcomes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kenspeckle.decision import Verdict
from kenspeckle.types import Box, Recognition, RecognizedObject

UNKNOWN_LABELS = frozenset({"unknown", "_unknown"})


@dataclass(frozen=True)
class Outcome:
    """What was said of one labelled picture; ``truth`` is None for a thing that is not in the gallery."""

    picture: Path
    box: Box | None
    truth: str | None
    verdict: Verdict
    answer: str | None
    guess: str | None
    item_id: str | None
    reference_id: str | None
    probability: float
    p_value: float
    reason: str

    @property
    def named_right(self) -> bool:
        """Whether the most similar label is the true one, whatever was decided."""
        return self.truth is not None and self.guess == self.truth

    @property
    def known_right(self) -> bool:
        """Whether it was called known, by its true label."""
        return self.verdict == "known" and self.truth is not None and self.answer == self.truth

    @property
    def known_wrong(self) -> bool:
        """Whether it was called known by a label that it does not have."""
        return self.verdict == "known" and self.answer != self.truth


@dataclass(frozen=True)
class CurvePoint:
    """At an asked rate: shares of enrolled things rightly, and of unknown things wrongly accepted."""

    rate: float
    right: float
    false: float | None


@dataclass(frozen=True)
class Summary:
    """The figures of an evaluation. Shares are None where there was nothing to count."""

    known: int
    unknown: int
    recall_at_1: float | None
    known_right: float | None
    ambiguous: float | None
    called_unknown: float | None
    known_wrong: float | None
    false_accepts: float | None
    curve: list[CurvePoint]
    confusions: list[tuple[str, str, int]]


def outcome_of(picture: Path, truth: str, answer: Recognition) -> Outcome:
    """The outcome of a picture with one labelled thing: that of its surest object, known ones first."""
    label = None if truth in UNKNOWN_LABELS else truth
    found = max(answer.objects, key=_sureness, default=None)
    if found is None:
        return Outcome(picture, None, label, "unknown", None, None, None, None, 0.0, 1.0, "Nothing was found.")
    best = next(iter(found.candidates), None)
    return Outcome(
        picture,
        found.box,
        label,
        found.decision,
        found.label,
        best.label if best else None,
        best.item_id if best else None,
        best.reference_id if best else None,
        found.probability,
        1.0 if found.p_value is None else found.p_value,
        found.reason,
    )


def _sureness(found: RecognizedObject) -> tuple[bool, float]:
    return found.decision == "known", found.probability


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Count."""
    known = [outcome for outcome in outcomes if outcome.truth is not None]
    unknown = [outcome for outcome in outcomes if outcome.truth is None]
    return Summary(
        known=len(known),
        unknown=len(unknown),
        recall_at_1=_share([o.named_right for o in known]),
        known_right=_share([o.known_right for o in known]),
        ambiguous=_share([o.verdict == "ambiguous" for o in known]),
        called_unknown=_share([o.verdict == "unknown" for o in known]),
        known_wrong=_share([o.known_wrong for o in known]),
        false_accepts=_share([o.verdict == "known" for o in unknown]),
        curve=curve(known, unknown),
        confusions=confusions(known),
    )


def curve(known: Sequence[Outcome], unknown: Sequence[Outcome]) -> list[CurvePoint]:
    """Shares accepted at each p value that occurred, by ascending rate (one point per distinct p value).

    An enrolled thing is rightly accepted at a rate if its most similar label is the true one and p is at most the
    rate; an unknown thing is falsely accepted if p is. The threshold on probability is left out here.
    """
    rates = sorted({outcome.p_value for outcome in (*known, *unknown)})
    return [
        CurvePoint(
            rate,
            _share([o.named_right and o.p_value <= rate for o in known]) or 0.0,
            _share([o.p_value <= rate for o in unknown]),
        )
        for rate in rates
    ]


def confusions(known: Sequence[Outcome]) -> list[tuple[str, str, int]]:
    """Pairs (true label, most similar label) that differ, with their counts, most frequent first."""
    pairs = Counter((o.truth, o.guess) for o in known if o.truth and o.guess and not o.named_right)
    return [(truth, guess, count) for (truth, guess), count in sorted(pairs.items(), key=_by_count)]


def _by_count(entry: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -entry[1], entry[0]


def worst(outcomes: Sequence[Outcome], most: int) -> list[Outcome]:
    """The outcomes that deserve a look: wrong names and accepted unknowns, surest first, then refused known things."""
    wrong = sorted((o for o in outcomes if o.known_wrong), key=lambda o: -o.probability)
    refused = [o for o in outcomes if o.truth is not None and not o.known_right and not o.known_wrong]
    misnamed = sorted((o for o in refused if not o.named_right), key=lambda o: -o.probability)
    unsure = sorted((o for o in refused if o.named_right), key=lambda o: o.probability)
    return [*wrong, *misnamed, *unsure][:most]


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None
