"""How well similarities tell things that are in the gallery from things that are not."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Scores = NDArray[np.floating]


def open_set_auroc(known: Scores, unknown: Scores) -> float:
    """Chance that a known query ``(K,)`` is more similar to the gallery than an unknown one ``(U,)``; ties count half.

    Raises:
        ValueError: if either is empty.
    """
    if not len(known) or not len(unknown):
        raise ValueError("AUROC needs both known and unknown queries")
    truth = np.concatenate([np.ones(len(known), bool), np.zeros(len(unknown), bool)])
    return float(roc_auc_score(truth, np.concatenate([known, unknown])))


def acceptance_threshold(unknown: Scores, false_accept_rate: float) -> float:
    """The lowest threshold above which at most ``false_accept_rate`` of the unknown queries ``(U,)`` are.

    Raises:
        ValueError: if there are none.
    """
    if not len(unknown):
        raise ValueError("a false-accept rate needs unknown queries")
    allowed = int(false_accept_rate * len(unknown) + 1e-9)
    return float(np.sort(unknown)[::-1][allowed]) if allowed < len(unknown) else -np.inf


def detection_rates(
    known: Scores, right: NDArray[np.bool_], unknown: Scores, false_accept_rate: float
) -> tuple[float, float]:
    """Shares of known queries accepted, and accepted with the right label, at a false-accept rate.

    Source: Phillips, Grother and Micheals, "Evaluation methods in face recognition", Handbook of Face Recognition, 2011
    (detection and identification rate).

    Args:
        known: similarity ``(K,)`` of each known query to its nearest gallery entry.
        right: whether that entry has the query's label.
        unknown: the same similarity ``(U,)`` of queries that are not in the gallery.
    """
    accepted = known > acceptance_threshold(unknown, false_accept_rate)
    return float(accepted.mean()), float((accepted & right).mean())
