import pytest
import torch
from torch import nn

from training.picodet.backbones import BACKBONES, ESNet, LCNet, Lite0
from training.picodet.backbones.lite0 import fold_norms
from training.recmodel.backbones.layers import SqueezeExcite

SMALL = {"LCNet": {"scale": 0.35}, "ESNet": {}, "EfficientNetLite0": {}}


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_gives_maps_of_its_channels_at_strides_8_16_and_32(name):
    backbone = BACKBONES.build({"name": name, **SMALL[name]}).eval()
    with torch.no_grad():
        shapes = [tuple(level.shape) for level in backbone(torch.zeros(1, 3, 64, 96))]
    sides = ((8, 12), (4, 6), (2, 3))
    assert shapes == [(1, width, *side) for width, side in zip(backbone.channels, sides, strict=True)]


@pytest.mark.parametrize(
    ("backbone", "channels"),
    [
        (LCNet(0.35), (48, 88, 176)),
        (LCNet(0.75), (96, 192, 384)),
        (ESNet(0.75), (96, 192, 384)),
        (Lite0(), (40, 112, 320)),
    ],
)
def test_widths_are_the_published_ones(backbone, channels):
    assert backbone.channels == channels


@pytest.mark.parametrize("name", BACKBONES)
def test_freezing_stops_the_first_blocks_and_only_these(name):
    backbone = BACKBONES.build({"name": name, **SMALL[name]})
    backbone.freeze_early(0)
    assert all(p.requires_grad for p in backbone.parameters() if p.ndim == 4)
    backbone.freeze_early(2)
    trained = [p.requires_grad for p in backbone.parameters() if p.ndim == 4]
    assert trained[0] is False
    assert trained[-1] is True
    assert trained == sorted(trained)


def test_lite0_has_no_batch_norm_left():
    assert not any(isinstance(module, nn.BatchNorm2d) for module in Lite0().modules())


def test_folding_a_norm_keeps_the_function():
    pair = nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5)).eval()
    nn.init.uniform_(pair[1].running_mean)
    nn.init.uniform_(pair[1].running_var, 0.5, 2)
    x = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        before = pair(x)
        fold_norms(nn.Sequential(pair))
        torch.testing.assert_close(pair(x), before, rtol=1e-4, atol=1e-5)
    assert isinstance(pair[1], nn.Identity)
    assert not pair[0].bias.requires_grad


def test_half_of_the_channels_pass_a_plain_block_of_esnet_and_are_shuffled():
    block = ESNet(0.75).stages[0][1].eval()
    x = torch.rand(1, 96, 4, 4)
    with torch.no_grad():
        y = block(x)
    torch.testing.assert_close(y[:, 0::2], x[:, :48])
    assert not torch.allclose(y[:, 1::2], x[:, 48:])


def test_esnet_gates_every_block():
    assert sum(isinstance(module, SqueezeExcite) for module in ESNet(0.75).modules()) == 13


def test_esnet_wants_a_ratio_for_each_block():
    with pytest.raises(ValueError, match="2 numbers, wanted 13"):
        ESNet(0.75, [0.5, 0.5])
