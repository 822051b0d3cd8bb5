"""Cosine softmax with an additive angular margin."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CosineSoftmax(nn.Module):
    """Cross-entropy over scaled cosines to one weight vector per class; the true class is turned away by a margin.

    Source: Deng et al., "ArcFace", CVPR 2019, equation 3. Beyond an angle of pi the margin no longer applies.
    """

    def __init__(self, weights: Tensor, scale: float, smoothing: float) -> None:
        """``weights`` (classes, dim): the start; any length. ``smoothing``: of the labels, in [0, 1)."""
        super().__init__()
        self.weight = nn.Parameter(weights.clone())
        self.scale = scale
        self.smoothing = smoothing

    def forward(self, embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
        """Mean loss of unit ``embeddings`` (N, dim) with class numbers ``labels`` (N,); margin in radians."""
        cosines = embeddings @ F.normalize(self.weight).T
        true = cosines.gather(1, labels[:, None]).clamp(-1 + 1e-5, 1 - 1e-5)
        turned = torch.cos((torch.acos(true) + margin).clamp(max=torch.pi))
        logits = self.scale * cosines.scatter(1, labels[:, None], turned)
        return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)
