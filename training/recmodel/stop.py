"""Cutting a backbone after one of its layers (``BackboneStopLayer`` of the old configuration)."""

import re
from collections.abc import Iterator

from torch import nn

from training.registry import UnknownName

# Names that Paddle before 2.2 gave to layers of their kind, which old configurations still use.
OLD_NAMES = {
    r"adaptive_(avg|max)_pool2d_\d+": "avg_pool",
    r"flatten_\d+": "flatten",
    r"dropout_\d+": "dropout",
    r"linear_\d+": "fc",
}


def stop_layers(net: nn.Module, prefix: str = "") -> Iterator[str]:
    """The names after which ``net`` can be cut, from input to output, such as ``blocks[15].conv1`` or ``flatten``."""
    if not isinstance(net, nn.Sequential):
        return
    for name, child in net.named_children():
        path = f"{prefix}[{name}]" if name.isdigit() else f"{prefix}.{name}" if prefix else name
        yield from stop_layers(child, path)
        yield path


def stop_after(net: nn.Module, path: str) -> None:
    """Remove, in place, everything of ``net`` that comes after the layer ``path``; its output is that layer's.

    Args:
        net: a backbone whose layers form a chain (``nn.Sequential``, possibly nested).
        path: attribute path with indices, such as ``flatten`` or ``stages[3][1]``, or an old name (``flatten_0``).

    Raises:
        UnknownName: if the chain has no such layer; the message lists the near ones.
        ValueError: if ``net`` is no chain.
    """
    if not isinstance(net, nn.Sequential):
        raise ValueError(f"{type(net).__name__} cannot be cut: take Arch.BackboneStopLayer out, it gives features")
    known = list(stop_layers(net))
    if path not in known:
        path = next((new for old, new in OLD_NAMES.items() if re.fullmatch(old, path) and new in known), path)
    if path not in known:
        raise UnknownName("stop layer", path, known)
    level: nn.Module = net
    for key in re.findall(r"[^.\[\]]+", path):
        names = [name for name, _ in level.named_children()]
        for later in names[names.index(key) + 1 :]:
            delattr(level, later)
        level = level.get_submodule(key)
