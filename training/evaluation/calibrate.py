"""Fitting the calibrator: P(best label is right) from what a search says."""

import numpy as np
from numpy.typing import NDArray

from kenspeckle.decision import Calibrator
from training.evaluation.episodes import Facts

RIDGE = 1e-3
NEWTON_STEPS = 50
MARGIN_CAP_QUANTILE = 0.95
LEAST_CAP = 1e-3
P_FLOOR = 0.1
"""Below it p mostly tells pictures like the cohort's from pictures of another look, whatever their label."""


def fit_calibrator(facts: Facts) -> Calibrator:
    """Logistic regression of ``right`` on similarity, capped margin and floored ln(p); the cap is a margin quantile.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999.

    Raises:
        ValueError: if no query was right.
    """
    if not facts.right.any():
        raise ValueError("no calibration query was recognised: too few pictures, or embeddings that tell nothing")
    cap = max(LEAST_CAP, float(np.quantile(facts.margin[facts.right], MARGIN_CAP_QUANTILE)))
    log_p = np.log(np.maximum(facts.p_value, P_FLOOR))
    columns = [np.ones_like(facts.margin), facts.similarity, np.minimum(facts.margin, cap), log_p]
    intercept, similarity, margin, by_log_p = fit_logistic(np.stack(columns, axis=1), facts.right)
    return Calibrator(
        intercept=round(float(intercept), 4),
        similarity=round(float(similarity), 4),
        margin=round(float(margin), 4),
        log_p=round(float(by_log_p), 4),
        margin_cap=round(cap, 4),
        p_floor=P_FLOOR,
    )


def fit_logistic(columns: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Coefficients ``(K,)`` of the logistic model by Newton's method, with a very small ridge.

    Args:
        columns: ``(N, K)`` features, a constant one among them.
        outcomes: ``(N,)``.
    """
    weights = np.zeros(columns.shape[1])
    ridge = RIDGE * np.eye(columns.shape[1])
    for _ in range(NEWTON_STEPS):
        stated = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        gradient = columns.T @ (outcomes - stated) - ridge @ weights
        curvature = (columns * (stated * (1 - stated))[:, None]).T @ columns + ridge
        change = np.linalg.solve(curvature, gradient)
        weights = weights + change
        if np.abs(change).max() < 1e-9:
            break
    return weights
