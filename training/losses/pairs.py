"""Pairs within a batch, or between a batch and a memory: similarities, distances, masks. Pure functions."""

import torch
from torch import Tensor


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """Squared Euclidean distances ``(N, M)`` of rows ``(N, D)`` and ``(M, D)``."""
    lengths = left.square().sum(dim=1)[:, None] + right.square().sum(dim=1)[None, :]
    return (lengths - 2 * left @ right.T).clamp(min=0)


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs of a batch are of one class (a row with itself left out), and which are of two: ``(N, N)`` each."""
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def classes_by_place(count: int, each: int | None, loss: str, device: torch.device) -> Tensor:
    """Class numbers ``(count,)`` of rows that come in groups of ``each``: 0, …, 0, 1, …, 1, 2, ….

    Raises:
        ValueError: naming the loss, if ``each`` is not given or positive.
    """
    if each is None or each < 1:
        raise ValueError(f"{loss}: by_place needs samples_each_class, how many rows of a class stand side by side")
    return torch.arange(count, device=device) // each


def mean_or_zero(values: Tensor) -> Tensor:
    """The mean; of nothing, 0 that still belongs to the graph."""
    return values.sum() / max(1, values.numel())


def hardest(similarities: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """The least similar positive and the most similar negative of every row that has both.

    Args:
        similarities: ``(N, M)``.
        positive, negative: masks of its shape.

    Returns:
        Two tensors ``(R,)``, R the number of rows that have both.
    """
    rows = positive.any(dim=1) & negative.any(dim=1)
    nearest = similarities[rows].masked_fill(~negative[rows], float("-inf")).amax(dim=1)
    furthest = similarities[rows].masked_fill(~positive[rows], float("inf")).amin(dim=1)
    return furthest, nearest
