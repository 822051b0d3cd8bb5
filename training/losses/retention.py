"""Holding features of unrelated pictures where the start had them."""

from torch import Tensor
from torch.nn import functional as F


def retention(features: Tensor, start: Tensor, cosine_weight: float, relation_weight: float) -> Tensor:
    """Distance of trunk features from those of the start on the same views.

    ``cosine_weight`` x mean(1 - cosine of a picture's two features) + ``relation_weight`` x mean squared difference of
    the two tables of pairwise cosines (relational distillation: Park et al., CVPR 2019).

    Args:
        features, start: ``(N, D)`` of the network and of the start; any length.
    """
    ours, theirs = F.normalize(features), F.normalize(start)
    moved = (1 - (ours * theirs).sum(dim=1)).mean()
    relations = (ours @ ours.T - theirs @ theirs.T).square().mean()
    return cosine_weight * moved + relation_weight * relations
