"""From similarities to an answer: known, unknown or ambiguous. Pure functions.

The rule is split-conformal novelty detection (Bates et al., "Testing for outliers with conformal p-values",
Annals of Statistics 2023) against a cohort of unrelated objects, followed by a logistic calibrator
(Platt, 1999) for the probability that the best label is right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

SURE = 0.8
"""Least probability of a ``known`` answer, unless a setting says otherwise."""
Verdict = Literal["known", "unknown", "ambiguous"]


class Calibrator(BaseModel):
    """Logistic model of P(best label is right): sigmoid of a weighted sum of three features.

    Features: the best similarity s1; the margin s1 - s2 to the best other label, at most ``margin_cap`` (also
    used where there is no other label); ln(p), with p at least ``p_floor``: a smaller p is a sign that the object is
    like nothing in the cohort, and says no more about which label is right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float
    similarity: float
    margin: float
    log_p: float
    margin_cap: float = Field(gt=0)
    p_floor: float = Field(default=0.0, ge=0, lt=1)


class Match(BaseModel):
    """What the search says of one object: the facts that a decision rests on."""

    model_config = ConfigDict(frozen=True)

    label: str | None = Field(description="Label of the nearest item; null if the nearest is a negative.")
    item_id: str
    similarity: float
    other_similarity: float | None = Field(description="Best similarity of any other label; null if there is none.")
    other_label: str | None
    p_value: float
    cohort_size: int


class Decision(BaseModel):
    """The answer for one object, with the sentence that explains it."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    label: str | None
    item_id: str | None
    probability: float
    margin: float | None
    reason: str


@dataclass(frozen=True)
class LeaveOut:
    """When members of a cohort are no unrelated things to a gallery, and do not count.

    Attributes:
        kinds: ``(N,)`` what each member shows, as a number; members of one kind stand and fall together.
        same_thing: similarity from which a member is taken for a thing that is in the gallery.
    """

    kinds: NDArray[np.int64]
    same_thing: float


def standing(cohort_maxima: NDArray[np.floating], rule: LeaveOut) -> NDArray[np.bool_]:
    """Which members count as unrelated to a gallery, ``(N,)``.

    A kind is left out if one of its members is as similar to something in the gallery as ``same_thing``: then the
    gallery holds that kind of thing, and the test would refuse the very things that were enrolled. If more than half of
    the members went, similarity tells nothing about this gallery, and all stay: the test is then rather too strict.
    """
    left = np.isin(rule.kinds, rule.kinds[cohort_maxima >= rule.same_thing])
    return ~left if 2 * left.sum() <= len(left) else np.ones_like(left)


def p_values(similarities: NDArray[np.floating], cohort_maxima: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of unrelated things that look at least this much like something in the gallery.

    Args:
        similarities: ``(Q,)`` best similarity of each query to the gallery.
        cohort_maxima: ``(N,)`` best similarity of each cohort member to the gallery.

    Returns:
        ``(Q,) float64``: (1 + #{i : m_i >= s}) / (N + 1), so never below 1 / (N + 1).
    """
    ordered = np.sort(cohort_maxima)
    at_least = len(ordered) - np.searchsorted(ordered, similarities, side="left")
    return np.asarray((1 + at_least) / (len(ordered) + 1), dtype=np.float64)


def probability(similarity: float, margin: float | None, p_value: float, calibrator: Calibrator) -> float:
    """P(best label is right | s1, s1 - s2, p), in (0, 1). ``margin`` is None where there is no other label."""
    capped = calibrator.margin_cap if margin is None else min(margin, calibrator.margin_cap)
    logit = (
        calibrator.intercept
        + calibrator.similarity * similarity
        + calibrator.margin * capped
        + calibrator.log_p * math.log(max(p_value, calibrator.p_floor))
    )
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def decide(match: Match | None, false_accept_rate: float, calibrator: Calibrator, sure: float = SURE) -> Decision:
    """Decide on one object.

    Args:
        match: the nearest item and the figures around it; None for an empty gallery.
        false_accept_rate: asked share of unrelated things that may be accepted, in (0, 1).
        calibrator: of the extractor that made the embeddings.
        sure: least probability of a ``known`` answer.

    Returns:
        ``known`` if p <= rate and the label is probable enough; ``ambiguous`` if p <= rate and it would be
        probable enough without the other label; else ``unknown``.
    """
    if match is None:
        return _unknown(0.0, None, "The gallery is empty.")
    margin = None if match.other_similarity is None else match.similarity - match.other_similarity
    if match.label is None:
        return _unknown(0.0, margin, f"The nearest picture is a negative (similarity {match.similarity:.2f}).")
    chance = probability(match.similarity, margin, match.p_value, calibrator)
    floor = 1 / (match.cohort_size + 1)
    looks = f"{match.p_value:.2%} of unrelated things look this much like something in the gallery"
    if match.p_value > false_accept_rate:
        limit = (
            f"; the cohort of {match.cohort_size} cannot promise less than {floor:.2%}"
            if false_accept_rate < floor
            else ""
        )
        return _unknown(chance, margin, f"{looks}, more than the {false_accept_rate:.2%} asked for{limit}.")
    if chance >= sure:
        reason = f"{looks}, at most the {false_accept_rate:.2%} asked for, and the label is {chance:.0%} probable."
        return Decision(
            verdict="known", label=match.label, item_id=match.item_id, probability=chance, margin=margin, reason=reason
        )
    if margin is not None and probability(match.similarity, None, match.p_value, calibrator) >= sure:
        reason = f"“{match.other_label}” is only {margin:.2f} less similar: the label is {chance:.0%} probable."
        return Decision(
            verdict="ambiguous",
            label=match.label,
            item_id=match.item_id,
            probability=chance,
            margin=margin,
            reason=reason,
        )
    return _unknown(chance, margin, f"{looks}, but the label is only {chance:.0%} probable.")


def _unknown(chance: float, margin: float | None, reason: str) -> Decision:
    return Decision(verdict="unknown", label=None, item_id=None, probability=chance, margin=margin, reason=reason)


def expected_calibration_error(probabilities: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """Mean gap between stated probability and observed share, over equal-width bins weighted by count.

    Source: Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
    """
    stated, seen = np.asarray(probabilities, np.float64), np.asarray(correct, np.float64)
    bin_of = np.minimum((stated * bins).astype(int), bins - 1)
    gaps = [abs(seen[bin_of == b].sum() - stated[bin_of == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(stated)) if len(stated) else 0.0
