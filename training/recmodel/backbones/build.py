"""A backbone from its section of the configuration."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from training.recmodel.backbones.efficientnet_lite import EfficientNetLite, imagenet_weights
from training.recmodel.backbones.registry import BACKBONES
from training.recmodel.weights import find_weights, load_weights, read_weights

TIMM = "timm/"


def build_backbone(config: Mapping[str, Any]) -> nn.Module:
    """Build ``{name, pretrained, use_ssld, ...}``; the rest goes to the backbone.

    Args:
        config: ``name`` of the registry, or ``timm/<name>`` for a model of timm without its classifier. ``pretrained``
            True, a path or an address; see ``find_weights``.

    Raises:
        UnknownName: for an unknown name or option, with the near ones.
        FileNotFoundError: if weights are asked for and not there.
        ModuleNotFoundError: if they, or timm, need a package that is not installed.
        ValueError: if timm does not know the name or an option, or the name is declined.
    """
    options = dict(config)
    pretrained, use_ssld = options.pop("pretrained", False), options.pop("use_ssld", False)
    name: str = options.get("name", "")
    if name.startswith(TIMM):
        return _timm(options.pop("name").removeprefix(TIMM), pretrained, options)
    net = BACKBONES.build(options)
    if pretrained is True and isinstance(net, EfficientNetLite):
        net.load_state_dict(imagenet_weights(net.number))
    elif pretrained:
        path = find_weights(name, pretrained, use_ssld)
        load_weights(net, read_weights(path), str(path))
    return net


def _timm(name: str, pretrained: bool | str, options: Mapping[str, Any]) -> nn.Module:
    """A model of timm that gives pooled features."""
    try:
        import timm
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"the backbone timm/{name} needs timm: pip install timm") from None
    try:
        net: nn.Module = timm.create_model(name, pretrained=pretrained is True, num_classes=0, **options)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"timm/{name}: {error}") from None
    if isinstance(pretrained, str):
        load_weights(net, read_weights(find_weights(name, pretrained)), pretrained)
    return net
