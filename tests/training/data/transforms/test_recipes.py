"""The chains of the old recipes, written as their files have them."""

from io import BytesIO

import numpy as np
import pytest
import yaml
from PIL import Image

from training.data.transforms import build_transforms

RECIPES = """
general_v1:
  - DecodeImage: {to_rgb: True, channel_first: False}
  - RandCropImage: {size: 224}
  - RandFlipImage: {flip_code: 1}
  - NormalizeImage: {scale: 1.0/255.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], order: ''}
general_v2:
  - DecodeImage: {to_rgb: True, channel_first: False}
  - ResizeImage: {size: [224, 224], return_numpy: False, interpolation: bilinear, backend: cv2}
  - RandFlipImage: {flip_code: 1}
  - Pad: {padding: 10, backend: cv2}
  - RandCropImageV2: {size: [224, 224]}
  - RandomRotation: {prob: 0.5, degrees: 90, interpolation: bilinear}
  - ResizeImage: {size: [224, 224], return_numpy: False, interpolation: bilinear, backend: cv2}
  - NormalizeImage: {scale: 1.0/255.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], order: hwc}
vehicle:
  - ResizeImage: {size: 224}
  - RandFlipImage: {flip_code: 1}
  - AugMix: {prob: 0.5}
  - NormalizeImage: {scale: 0.00392157, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], order: ''}
  - RandomErasing: {EPSILON: 0.5, sl: 0.02, sh: 0.4, r1: 0.3, mean: [0., 0., 0.]}
cartoon_evaluation:
  - DecodeImage: {to_rgb: True, channel_first: False}
  - ResizeImage: {resize_short: 256}
  - CropImage: {size: 224}
  - NormalizeImage: {scale: 0.00392157, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], order: ''}
  - ToCHWImage:
person:
  - DecodeImage: {to_rgb: True, channel_first: False}
  - ResizeImage: {size: [128, 256], return_numpy: False, backend: pil}
  - RandFlipImage: {flip_code: 1}
  - Pad: {padding: 10}
  - RandCropImageV2: {size: [128, 256]}
  - ToTensor:
  - Normalize: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
  - RandomErasing: {EPSILON: 0.5, sl: 0.02, sh: 0.4, r1: 0.3, mean: [0.485, 0.456, 0.406]}
xbm:
  - DecodeImage: {to_rgb: True, channel_first: False, backend: pil}
  - Resize: {size: [256, 256]}
  - RandomResizedCrop: {size: 227, scale: [0.2, 1.0], interpolation: cubic, backend: pil}
  - RandomHorizontalFlip:
  - ToTensor:
  - Normalize: {mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616]}
"""
SIZES = {"person": (256, 128), "xbm": (227, 227)}


@pytest.mark.parametrize("name", list(yaml.safe_load(RECIPES)))
def test_a_chain_makes_normalised_input_of_its_size(name: str) -> None:
    chain = build_transforms(yaml.safe_load(RECIPES)[name])
    stream = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)).save(stream, "JPEG")
    images = [chain.chw(chain.decode(stream.getvalue()), np.random.default_rng(seed)) for seed in range(4)]
    for image in images:
        assert image.shape == (3, *SIZES.get(name, (224, 224)))
        assert image.dtype == np.float32
        assert image.flags.c_contiguous
        assert abs(image.mean()) < 1.2
        assert 0.2 < image.std() < 1.5
    assert np.array_equal(images[0], images[1]) == (name == "cartoon_evaluation")
