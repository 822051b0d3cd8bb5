"""The registry of backbones."""

from torch import nn

from training.registry import Registry

BACKBONES: Registry[nn.Module] = Registry("backbone")

BACKBONES.decline(
    "any backbone learns faces with Head: {name: AdaMargin}, such as timm/resnet18 or MobileNetV3_large_x1_0",
    *(f"AdaFace_IR_{layers}" for layers in (18, 34, 50, 101, 152, 200)),
    *(f"AdaFace_IR_SE_{layers}" for layers in (50, 101, 152, 200)),
)
BACKBONES.decline(
    "take the same network from timm: timm/vit_base_patch16_clip_224.openai; presets GeneralRecognitionV2_CLIP_vit_…",
    "CLIP_vit_base_patch16_224",
    "CLIP_vit_base_patch32_224",
)
BACKBONES.decline(
    "take the same network from timm: timm/vit_large_patch14_clip_224.openai; presets GeneralRecognitionV2_CLIP_vit_…",
    "CLIP_vit_large_patch14_224",
    "CLIP_vit_large_patch14_336",
)
