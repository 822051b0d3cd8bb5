import pytest
import torch
from torch import nn

from training.engine.parameters import parameter_rules
from training.recmodel.backbones import BACKBONES
from training.recmodel.backbones.metabin import BatchInstanceNorm, held_statistics


@pytest.fixture
def norm() -> BatchInstanceNorm:
    torch.manual_seed(0)
    layer = BatchInstanceNorm(3)
    with torch.no_grad():
        layer.gate.gate.copy_(torch.tensor([1.0, 0.0, 0.25]))
        for part in (layer.batch_norm, layer.instance_norm):
            part.weight.normal_()
            part.bias.normal_()
    return layer


def by_hand(x: torch.Tensor, part: nn.Module, over: tuple[int, ...]) -> torch.Tensor:
    spread = x.var(over, correction=0, keepdim=True) + 1e-5
    unit = (x - x.mean(over, keepdim=True)) / spread.sqrt()
    return unit * part.weight[:, None, None] + part.bias[:, None, None]


def test_the_gate_mixes_both_normalisations_channel_by_channel(norm: BatchInstanceNorm) -> None:
    x = torch.randn(4, 3, 5, 6) + torch.arange(4)[:, None, None, None]
    share = torch.tensor([1.0, 0.0, 0.25])[:, None, None]
    expected = by_hand(x, norm.batch_norm, (0, 2, 3)) * share
    expected += by_hand(x, norm.instance_norm, (2, 3)) * (1 - share)
    torch.testing.assert_close(norm(x), expected, atol=1e-5, rtol=1e-4)


def test_gates_count_within_0_and_1_alone(norm: BatchInstanceNorm) -> None:
    x = torch.randn(4, 3, 5, 6)
    with torch.no_grad():
        within = norm.eval()(x)
        norm.gate.gate.copy_(torch.tensor([1.5, -2.0, 0.25]))
        torch.testing.assert_close(norm(x), within)


def test_held_layers_normalise_by_the_batch_and_take_no_note_of_it(norm: BatchInstanceNorm) -> None:
    x = torch.randn(4, 3, 5, 6) + 3
    with held_statistics(nn.Sequential(norm)):
        held = norm(x)
        assert not norm.batch_norm.running_mean.any()
    torch.testing.assert_close(held, norm(x), atol=1e-5, rtol=1e-4)
    assert norm.batch_norm.running_mean.any()
    assert not norm.hold


def test_every_batch_norm_of_the_network_is_gated_and_rates_are_shared_out() -> None:
    with torch.device("meta"):
        net = BACKBONES.build({"name": "ResNet50_metabin", "bias_lr_factor": 2.0, "gate_lr_factor": 0.5})
    gated = [module for module in net.modules() if isinstance(module, BatchInstanceNorm)]
    plain = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(gated) == len(plain) == 53
    rules = parameter_rules(net)
    assert rules["blocks.0.conv0.bn.batch_norm.bias"].lr == 2.0
    assert rules["blocks.0.conv0.bn.batch_norm.weight"].lr == 1.0
    assert rules["stem.0.bn.gate.gate"].lr == 0.5
    assert net.blocks[13].conv1.conv.stride == (1, 1)
