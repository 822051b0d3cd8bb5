"""The closed-form neck: a linear layer fitted without a gradient step."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def closed_form_neck(
    features: NDArray[np.floating], labels: NDArray[np.integer], dim: int, shrinkage: float
) -> tuple[Matrix, Matrix]:
    """Shrunk within-class whitening, then PCA.

    S = (1 - s) S_w + s (tr S_w / D) I with S_w the pooled within-class covariance; x -> (x - mean) S^-1/2, then the
    ``dim`` directions of largest variance. Scaled so that fitted pictures have mean squared length 1.
    Sources: Ledoit and Wolf, J. Multivariate Analysis 2004 (shrinkage); Hatch et al., Interspeech 2006 (whitening).

    Args:
        features: ``(N, D)`` of unit length.
        labels: ``(N,)`` class numbers.
        dim: outputs, at most D.
        shrinkage: s in (0, 1].

    Returns:
        Weight ``(dim, D)`` and bias ``(dim,)`` of the linear layer.
    """
    x = np.asarray(features, np.float64)
    width = x.shape[1]
    _, numbers = np.unique(labels, return_inverse=True)
    sums = np.zeros((numbers.max() + 1, width))
    np.add.at(sums, numbers, x)
    inside = x - (sums / np.bincount(numbers)[:, None])[numbers]
    within = inside.T @ inside / len(x)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / width * np.eye(width)
    values, vectors = np.linalg.eigh(shrunk)
    whitening = vectors / np.sqrt(values)
    mean = x.mean(axis=0)
    white = (x - mean) @ whitening
    _, directions = np.linalg.eigh(white.T @ white)
    weight = (whitening @ directions[:, ::-1][:, :dim]).T
    weight = weight / np.sqrt(np.square((x - mean) @ weight.T).sum(axis=1).mean())
    return weight, -weight @ mean
