"""The names that Paddle gives to the parameters of a network, by which inference files are sorted.

Every layer gets a number per kind when it is created: ``conv2d_0``, ``batch_norm2d_0``, ``linear_0``. Weights are
``w_0``, biases and shifts ``b_0``, running statistics ``w_1`` and ``w_2``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from training.recmodel.backbones import BACKBONES
from training.recmodel.backbones.pplcnetv2 import DepthwiseBranches
from training.recmodel.model import RecModel

KINDS: dict[type[nn.Module], tuple[str, dict[str, str]]] = {
    nn.Conv2d: ("conv2d", {"weight": "w_0", "bias": "b_0"}),
    nn.Linear: ("linear", {"weight": "w_0", "bias": "b_0"}),
    nn.BatchNorm2d: (
        "batch_norm2d",
        {"weight": "w_0", "bias": "b_0", "running_mean": "w_1", "running_var": "w_2"},
    ),
    nn.BatchNorm1d: (
        "batch_norm1d",
        {"weight": "w_0", "bias": "b_0", "running_mean": "w_1", "running_var": "w_2"},
    ),
}
# Networks that Paddle makes out of another one: that one's name, and the layers that are created anew, in this order.
REMADE = {
    "PPLCNetV2_base_ShiTu": ("PPLCNetV2_base", ("last_conv", "stages.3")),
    "ResNet50_last_stage_stride1": ("ResNet50", ("blocks.13.conv1.conv", "blocks.13.short.conv")),
}


def internal_names(model: RecModel, backbone: Mapping[str, Any]) -> dict[str, str]:
    """Internal name of every tensor of ``model`` by its own name, numbered from 0.

    Layers behind the stop layer are in it too; the merged convolutions of PP-LCNetV2 are in it as ``<block>.dw_conv``,
    beside the branches.

    Args:
        model: not fused.
        backbone: its ``Arch.Backbone`` section.
    """
    counter: Counter[str] = Counter()
    origin, anew = REMADE.get(backbone["name"], (backbone["name"], ()))
    options = {} if anew else {key: value for key, value in backbone.items() if key not in ("pretrained", "use_ssld")}
    with torch.device("meta"):
        whole = BACKBONES.build({**options, "name": origin})
    names = {name: inner for name, inner in _numbered(whole, "backbone.", counter).items() if not _inside(name, anew)}
    for path in anew:
        names |= _numbered(model.backbone.get_submodule(path), f"backbone.{path}.", counter)
    if model.neck is not None:
        names |= _numbered(model.neck, "neck.", counter)
    return names


def _inside(name: str, paths: tuple[str, ...]) -> bool:
    return any(name.startswith(f"backbone.{path}.") for path in paths)


def _numbered(module: nn.Module, prefix: str, counter: Counter[str]) -> dict[str, str]:
    """Names of the tensors below ``module``, whose layers are created in the order of their definition."""
    names: dict[str, str] = {}
    for path, kind, leaves, tensors in _layers(module, prefix):
        number = counter[kind]
        counter[kind] += 1
        names |= {path + tensor: f"{kind}_{number}.{leaves[tensor]}" for tensor in tensors}
    return names


def _layers(module: nn.Module, prefix: str) -> Iterator[tuple[str, str, dict[str, str], list[str]]]:
    """Path with a dot at its end, kind, internal leaf names and tensors of every layer with weights."""
    for kind, (name, leaves) in KINDS.items():
        if isinstance(module, kind):
            tensors = [tensor for tensor in leaves if getattr(module, tensor) is not None]
            yield prefix, name, leaves, tensors
            return
    for name, child in module.named_children():
        yield from _layers(child, f"{prefix}{name}.")
        if isinstance(child, DepthwiseBranches):
            yield f"{prefix}dw_conv.", *KINDS[nn.Conv2d], ["weight", "bias"]
