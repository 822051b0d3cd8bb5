"""Image trunks."""

from training.recmodel.backbones.efficientnet_lite import EfficientNetLite, efficientnet_lite0

__all__ = ["EfficientNetLite", "efficientnet_lite0"]
