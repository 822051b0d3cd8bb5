"""Bootstrap intervals by photo."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def bootstrap_interval(
    values: NDArray[np.floating], photos: NDArray[np.str_], rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of the mean of ``values``, resampling photos: what comes from one moves together."""
    _, number = np.unique(photos, return_inverse=True)
    sums, counts = np.bincount(number, weights=values), np.bincount(number)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(sums), (rounds, len(sums)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def mean_over_draws(
    draws: int, seed: int, figure: Callable[[np.random.Generator], NDArray[np.floating]]
) -> NDArray[np.float64]:
    """Mean of a per-query figure over ``draws`` random galleries; returns one value per query."""
    rng = np.random.default_rng(seed)
    return np.asarray(np.mean([figure(rng) for _ in range(draws)], axis=0), np.float64)
