"""Supervised contrastive loss."""

import torch
from torch import Tensor


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Mean over pictures with a partner of -mean log share of each partner among all other pictures.

    Args:
        embeddings: ``(N, dim)`` of unit length.
        labels: ``(N,)`` class numbers; at least one class has two pictures.
        temperature: divides the cosines.

    Source: Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2 (L_out).
    """
    itself = torch.eye(len(labels), dtype=torch.bool)
    logits = (embeddings @ embeddings.T / temperature).masked_fill(itself, float("-inf"))
    log_share = logits - logits.logsumexp(dim=1, keepdim=True)
    partners = (labels[:, None] == labels[None, :]) & ~itself
    counts = partners.sum(dim=1)
    sums = log_share.masked_fill(~partners, 0).sum(dim=1)
    has = counts > 0
    return -(sums[has] / counts[has]).mean()
