"""A memory of features of earlier batches."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.losses.pairs import pair_masks

PairLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Loss of similarities ``(N, M)`` with the masks of pairs of one class and of two."""


class CrossBatchMemory(nn.Module):
    """The newest ``size`` features and labels, a ring buffer. All of its state is in buffers, thus saved and restored.

    Source: Wang et al., "Cross-batch memory for embedding learning", CVPR 2020, section 3.2.

    Args:
        start_iter: so many training batches pass before the first one is remembered.
        upstream: as in the old stack: a batch that does not fit behind the last one overwrites the newest rows, and the
            next one begins at the first; all rows are there while the last label is not 0, else those before the next
            place, which ``added`` then is.
    """

    features: Tensor
    labels: Tensor
    added: Tensor
    batches: Tensor

    def __init__(self, size: int, dim: int, start_iter: int, upstream: bool = False) -> None:
        super().__init__()
        self.start_iter = start_iter
        self.upstream = upstream
        self.register_buffer("features", torch.zeros(size, dim))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("added", torch.zeros((), dtype=torch.int64))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def loss(self, vectors: Tensor, labels: Tensor, of_pairs: PairLoss, weight: float) -> Tensor:
        """``of_pairs`` of the batch + ``weight`` x the same of batch against memory, where that has begun."""
        value = of_pairs(vectors @ vectors.T, *pair_masks(labels))
        extra = self.extra_pairs(vectors, labels)
        if extra is None:
            return value
        remembered, positive, negative = extra
        return value + weight * of_pairs(vectors @ remembered.T, positive, negative)

    def extra_pairs(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Remember a training batch and pair it with the memory.

        Returns:
            Features of the memory ``(M, dim)``, without gradient; masks ``(N, M)`` of the pairs of one class (a
            picture with its own place in the memory left out) and of the pairs of two. None outside training and
            before ``start_iter``.

        Raises:
            ValueError: if the batch is larger than the memory.
        """
        if not self.training:
            return None
        self.batches += 1
        if int(self.batches) <= self.start_iter:
            return None
        places = self._add(features, labels)
        count = self._count()
        if count == 0:
            return None
        same = labels[:, None] == self.labels[None, :count]
        own = places[:, None] == torch.arange(count, device=places.device)[None, :]
        return self.features[:count].to(features.dtype), same & ~own, ~same

    def _add(self, features: Tensor, labels: Tensor) -> Tensor:
        """Put a batch in the place of the oldest rows; gives the rows ``(N,)`` where it lies."""
        size = len(self.labels)
        if len(labels) > size:
            raise ValueError(f"a batch of {len(labels)} does not fit into a memory of {size}; raise xbm_size")
        fits = int(self.added) + len(labels) <= size
        first = self.added if fits or not self.upstream else size - len(labels)
        places = (first + torch.arange(len(labels), device=self.labels.device)) % size
        self.features[places] = features.detach().to(self.features.dtype)
        self.labels[places] = labels
        self.added += len(labels) if fits or not self.upstream else -int(self.added)
        return places

    def _count(self) -> int:
        """How many rows are there."""
        if self.upstream:
            return len(self.labels) if int(self.labels[-1]) != 0 else int(self.added)
        return min(int(self.added), len(self.labels))
