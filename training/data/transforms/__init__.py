"""What is done to a picture before it is a network's input: transforms under the names of configuration files."""

from training.data.transforms import (
    augmix,
    colour,
    crop,
    erasing,
    fmix,
    geometry,
    hybrid,
    normalise,
    policies,
    resize,
    timm_policy,
    views,
)
from training.data.transforms.base import TRANSFORMS, Ops, Pixels, Transform
from training.data.transforms.chain import Chain, build_transforms
from training.data.transforms.decode import DecodeImage, Undecodable

__all__ = [
    "TRANSFORMS",
    "Chain",
    "DecodeImage",
    "Ops",
    "Pixels",
    "Transform",
    "Undecodable",
    "augmix",
    "build_transforms",
    "colour",
    "crop",
    "erasing",
    "fmix",
    "geometry",
    "hybrid",
    "normalise",
    "policies",
    "resize",
    "timm_policy",
    "views",
]
