import torch
from torch.nn import functional as F

from training.recmodel.backbones import efficientnet_lite0
from training.recmodel.backbones.efficientnet_lite import SameConv


def test_the_pyramid_has_strides_8_16_and_32() -> None:
    shapes = [tuple(level.shape) for level in efficientnet_lite0().stages(torch.zeros(2, 3, 64, 96))]
    assert shapes == [(2, 40, 8, 12), (2, 112, 4, 6), (2, 320, 2, 3)]


def test_strided_convolutions_pad_more_at_the_far_side() -> None:
    layer, x = SameConv(1, 1, 5, stride=2), torch.randn(1, 1, 8, 8)
    expected = F.conv2d(F.pad(x, (1, 2, 1, 2)), layer.weight, stride=2)
    torch.testing.assert_close(layer(x), expected)


def test_pretrained_features_differ_from_fresh_ones_and_are_not_degenerate() -> None:
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        features = efficientnet_lite0(pretrained=True)(x)
    assert features.shape == (2, 1280)
    assert 0.05 < float((features > 0).float().mean()) < 1
    assert float(features.max()) <= 6
