import dataclasses

import pytest
import torch

from training.picodet.boxes import cells
from training.picodet.model import ModelConfig, PicoDet
from training.registry import UnknownName

TINY = ModelConfig({"name": "LCNet", "scale": 0.35}, channels=32, tower_depth=1)
TINY_V2 = dataclasses.replace(TINY, neck="LCPAN", head="PicoHeadV2", classes=3)


@pytest.mark.parametrize("config", [TINY, TINY_V2], ids=["legacy", "v2"])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160), (100, 76)])
def test_there_are_outputs_for_every_cell(config, height, width):
    with torch.no_grad():
        classes, distances = PicoDet(config).eval()(torch.zeros(2, 3, height, width))
    count = len(cells(height, width)[0])
    assert classes.shape == (2, count, config.classes)
    assert distances.shape == (2, count, 32)


@pytest.mark.parametrize("head", ["PicoHead", "PicoHeadV2"])
def test_levels_bins_and_activation_are_parameters(head):
    config = dataclasses.replace(TINY, head=head, strides=(8, 16, 32), reg_max=11, activation="relu")
    model = PicoDet(config).eval()
    with torch.no_grad():
        _, distances = model(torch.zeros(1, 3, 64, 64))
    assert distances.shape == (1, 64 + 16 + 4, 4 * 12)
    assert not any(isinstance(module, torch.nn.Hardswish) for module in model.modules())


def test_an_untrained_network_claims_one_object_in_a_hundred_cells():
    with torch.no_grad():
        model = PicoDet(TINY).eval()
        claimed, _ = model(torch.rand(1, 3, 64, 64) * 255)
    assert float(model.scores(claimed).mean()) == pytest.approx(0.01, rel=0.2)


def test_an_aligned_score_is_the_mean_of_class_and_alignment():
    model = PicoDet(TINY_V2).eval()
    for output, branch in zip(model.head.class_outputs, model.head.align, strict=True):
        torch.nn.init.constant_(output.bias, 0.0)  # sigmoid 0.5
        torch.nn.init.zeros_(output.weight)
        torch.nn.init.constant_(branch[1].bn.bias, 1.5)
        torch.nn.init.zeros_(branch[1].bn.weight)
    with torch.no_grad():
        scores = model.scores(model(torch.rand(1, 3, 64, 64) * 255)[0])
    expected = (0.5 * torch.tensor(1.5).sigmoid() + 1e-9).sqrt()
    torch.testing.assert_close(scores, expected.expand_as(scores))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"backbone": {"name": "LCNett"}}, "LCNett.*LCNet"),
        ({"backbone": {"name": "LCNet", "scael": 1}}, "scael.*scale"),
        ({"neck": "CSPPAM"}, "CSPPAM.*CSPPAN"),
        ({"head": "Picohead"}, "Picohead.*PicoHead"),
    ],
)
def test_an_unknown_part_is_named_with_the_near_ones(change, reason):
    with pytest.raises(UnknownName, match=reason):
        PicoDet(dataclasses.replace(TINY, **change))


def test_strides_that_no_neck_gives_are_refused():
    with pytest.raises(ValueError, match=r"strides \[4, 8\]"):
        ModelConfig(strides=(4, 8))


def test_imagenet_weights_that_do_not_exist_cannot_be_asked_for():
    with pytest.raises(ValueError, match="no ImageNet weights for LCNet"):
        PicoDet(TINY, pretrained=True)
