"""The registry of losses."""

from torch import nn

from training.registry import METABIN, Registry

LOSSES: Registry[nn.Module] = Registry("loss")
"""Losses: ``forward(outputs, labels) -> scalar``, by the names that configuration files use."""

LOSSES.decline(
    METABIN,
    "CELossForMetaBIN",
    "TripletLossForMetaBIN",
    "InterDomainShuffleLoss",
    "IntraDomainScatterLoss",
)
