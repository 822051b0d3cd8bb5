"""Losses of the embedding network."""

from training.losses.contrastive import supervised_contrastive
from training.losses.cosine_softmax import CosineSoftmax
from training.losses.retention import retention

__all__ = ["CosineSoftmax", "retention", "supervised_contrastive"]
