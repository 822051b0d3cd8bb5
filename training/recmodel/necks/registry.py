"""The registry of necks."""

from torch import nn

from training.registry import Registry

NECKS: Registry[nn.Module] = Registry("neck")
"""Necks: ``forward(features) -> embeddings (N, D)``, by the names that configuration files use."""
