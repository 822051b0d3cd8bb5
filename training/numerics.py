"""Small functions on tensors that heads and losses share."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def unit(vectors: Tensor) -> Tensor:
    """Rows ``(N, D)`` at length 1. A zero row stays zero, with the gradient it would have unscaled."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / lengths.masked_fill(lengths == 0, 1)


def full_precision(values: Tensor) -> Tensor:
    """bfloat16 and float16 as float32; float32 and float64 as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def class_numbers(labels: Tensor) -> Tensor:
    """Labels ``(N,)`` of ``(N,)`` or ``(N, 1)``.

    Raises:
        ValueError: for labels of another shape, as of mixed pictures.
    """
    if labels.numel() != len(labels):
        raise ValueError(
            f"wanted one class number per picture, got labels of shape {tuple(labels.shape)}; pictures are mixed for "
            "CELoss alone, without a margin head"
        )
    return labels.reshape(len(labels))


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """A block in which operations keep the precision of their inputs."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
