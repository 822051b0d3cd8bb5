"""Image trunks, by the names that configuration files use."""

from training.recmodel.backbones import hashing, metabin, mobilenet, pplcnetv2, resnet
from training.recmodel.backbones.efficientnet_lite import EfficientNetLite, efficientnet_lite0
from training.recmodel.backbones.pplcnet import PPLCNet
from training.recmodel.backbones.registry import BACKBONES

__all__ = [
    "BACKBONES",
    "EfficientNetLite",
    "PPLCNet",
    "efficientnet_lite0",
    "hashing",
    "metabin",
    "mobilenet",
    "pplcnetv2",
    "resnet",
]
