"""The registry of losses."""

from torch import nn

from training.registry import Registry

LOSSES: Registry[nn.Module] = Registry("loss")
"""Losses: ``forward(outputs, labels) -> scalar``, by the names that configuration files use."""
