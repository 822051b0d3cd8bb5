"""The registry of heads."""

from torch import nn

from training.registry import Registry

HEADS: Registry[nn.Module] = Registry("head")
"""Heads: ``forward(features, labels: Tensor | None) -> logits``, by the names that configuration files use."""
