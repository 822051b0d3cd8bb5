"""Counting answers, with intervals by photo."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kenspeckle.types import RecognizedObject

OUTCOMES = ("top-1 label", "known and right", "known but wrong", "ambiguous", "unknown")
DRAWS = 2000


def best_object(things: Sequence[RecognizedObject]) -> RecognizedObject | None:
    """The answer that a photo of one thing gets: the most probable object."""
    return max(things, key=lambda thing: thing.probability, default=None)


def outcome(label: str, thing: RecognizedObject | None) -> NDArray[np.bool_]:
    """Which of ``OUTCOMES`` the answer to a photo of ``label`` is."""
    if thing is None:
        return np.array([False, False, False, False, True])
    best = thing.candidates[0].label if thing.candidates else None
    known, right = thing.decision == "known", thing.label == label
    return np.array(
        [
            best == label,
            known and right,
            known and not right,
            thing.decision == "ambiguous",
            thing.decision == "unknown",
        ]
    )


def share_with_interval(hits: NDArray[np.floating], of: NDArray[np.floating]) -> tuple[float, float, float]:
    """Sum of ``hits`` over sum of ``of``, both by photo, with the 95 % bootstrap interval over photos."""
    draws = np.random.default_rng(0).integers(0, len(of), (DRAWS, len(of)))
    shares = hits[draws].sum(axis=1) / np.maximum(of[draws].sum(axis=1), 1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(hits.sum() / of.sum()), float(low), float(high)


Results = Mapping[str, Mapping[str, Sequence[NDArray[np.bool_]]]]
"""Outcomes of all photos, by setting and group of photos."""


def rows(results: Results) -> Iterator[tuple[str, str, int, dict[str, tuple[float, float, float]]]]:
    """Setting, group, number of photos, share and interval of every outcome."""
    for setting, groups in results.items():
        for group, outcomes in groups.items():
            hits = np.array(outcomes, float)
            every = np.ones(len(hits))
            shares = {name: share_with_interval(hits[:, i], every) for i, name in enumerate(OUTCOMES)}
            yield setting, group, len(hits), shares


def table(results: Results) -> str:
    """Markdown: shares, in brackets the 95 % interval by photo of the first two."""
    lines = [
        f"| gallery, boxes | photos of | n | {' | '.join(OUTCOMES)} |",
        "| --- | --- | ---: |" + " ---: |" * len(OUTCOMES),
    ]
    for setting, group, count, shares in rows(results):
        cells = [
            f"{value:.3f} [{low:.2f}, {high:.2f}]" if name in OUTCOMES[:2] else f"{value:.3f}"
            for name, (value, low, high) in shares.items()
        ]
        lines.append(f"| {setting} | {group} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)
