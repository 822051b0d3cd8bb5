"""Backbones of the detector: feature maps at strides 8, 16 and 32."""

from training.picodet.backbones.base import BACKBONES, Backbone
from training.picodet.backbones.esnet import ESNet
from training.picodet.backbones.lcnet import LCNet
from training.picodet.backbones.lite0 import Lite0

__all__ = ["BACKBONES", "Backbone", "ESNet", "LCNet", "Lite0"]
