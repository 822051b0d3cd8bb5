import pytest
import torch
from torch import nn

from training.picodet.backbone import Lite0, build_backbone, fold_norms, make_divisible
from training.picodet.boxes import cells
from training.picodet.model import ModelConfig, PicoDet

TINY = ModelConfig("lcnet-0.35", channels=32, tower_depth=1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160), (100, 76)])
def test_there_are_logits_for_every_cell(height, width):
    with torch.no_grad():
        classes, distances = PicoDet(TINY).eval()(torch.zeros(2, 3, height, width))
    count = len(cells(height, width)[0])
    assert classes.shape == (2, count, 1)
    assert distances.shape == (2, count, 32)


def test_an_untrained_network_claims_one_object_in_a_hundred_cells():
    with torch.no_grad():
        classes, _ = PicoDet(TINY).eval()(torch.rand(1, 3, 64, 64) * 255)
    assert float(classes.sigmoid().mean()) == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize(
    ("scale", "channels"), [(0.35, (48, 88, 176)), (0.75, (96, 192, 384)), (2.5, (320, 640, 1280))]
)
def test_lcnet_has_the_published_widths(scale, channels):
    assert tuple(make_divisible(base * scale) for base in (128, 256, 512)) == channels


def test_lite0_gives_three_maps_and_has_no_batch_norm_left():
    backbone = Lite0(pretrained=False).eval()
    with torch.no_grad():
        shapes = [tuple(m.shape[1:]) for m in backbone(torch.zeros(1, 3, 64, 64))]
    assert shapes == [(40, 8, 8), (112, 4, 4), (320, 2, 2)]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in backbone.modules())


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


@pytest.mark.parametrize("name", ["lite0", "lcnet-0.35"])
def test_freezing_stops_the_first_blocks_and_only_these(name):
    backbone = build_backbone(name, pretrained=False)
    backbone.freeze_early(2)
    trained = [p.requires_grad for p in backbone.parameters() if p.ndim == 4]
    assert trained[0] is False
    assert trained[-1] is True
    assert trained == sorted(trained)


@pytest.mark.parametrize("name", ["resnet-50", "lcnet", "lite1"])
def test_an_unknown_backbone_is_named(name):
    with pytest.raises(ValueError, match=name):
        build_backbone(name, pretrained=False)


def test_lcnet_weights_cannot_be_asked_for():
    with pytest.raises(ValueError, match="no ImageNet weights"):
        build_backbone("lcnet-1.0", pretrained=True)
