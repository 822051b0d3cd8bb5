"""Re-parameterisation: the form of a network that computes the same with fewer layers."""

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Fusible(Protocol):
    """A module that can put fewer layers in the place of its own."""

    def fuse(self) -> None: ...


def fuse(model: nn.Module) -> nn.Module:
    """Fuse, in place, all that can be fused; return ``model``.

    The outputs in evaluation mode stay the same up to rounding. A fused model isn't trained further: its branches are
    gone.
    """
    for module in list(model.modules()):
        if module is not model and isinstance(module, Fusible):
            module.fuse()
    return model
