"""The registry of backbones."""

from torch import nn

from training.registry import Registry

BACKBONES: Registry[nn.Module] = Registry("backbone")
