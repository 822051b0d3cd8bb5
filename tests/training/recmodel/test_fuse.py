import pytest
import torch
from torch import nn

from training.recmodel.backbones import BACKBONES
from training.recmodel.backbones.layers import ConvNorm
from training.recmodel.backbones.pplcnetv2 import STAGES, DepthwiseBranches, RepSeparableConv
from training.recmodel.fuse import fuse


def with_statistics(net: nn.Module) -> nn.Module:
    """Batch norms as after training: no statistic and no factor at its start value."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
    return net.eval()


@pytest.mark.parametrize(("kernel", "stride", "branches"), [(5, 1, 3), (5, 2, 2), (3, 1, 2), (3, 2, 1), (7, 1, 4)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_merged_convolution_equals_the_sum_of_the_branches(
    kernel: int, stride: int, branches: int, dtype: torch.dtype
) -> None:
    torch.manual_seed(kernel + stride)
    layer = with_statistics(DepthwiseBranches(6, kernel, stride)).to(dtype)
    x = torch.randn(2, 6, 11, 9, dtype=dtype)
    expected = layer(x)
    assert len(layer) == branches
    merged = layer.merged()
    assert merged.weight.dtype == dtype
    torch.testing.assert_close(merged(x), expected)


@pytest.mark.parametrize(("stage", "stride"), [(2, 1), (2, 2), (3, 1), (3, 2)])
def test_a_fused_block_equals_the_block(stage: int, stride: int) -> None:
    torch.manual_seed(stage)
    outputs = 8 if stride == 1 else 16
    block = with_statistics(RepSeparableConv(8, outputs, stride, STAGES[stage])).double()
    x = torch.randn(2, 8, 10, 10, dtype=torch.double)
    expected = block(x)
    block.fuse()
    torch.testing.assert_close(block(x), expected)
    assert isinstance(block.dw_conv, nn.Conv2d)
    assert not any(".dw_conv_list" in name for name in block.state_dict())


@pytest.mark.parametrize("name", ["PPLCNetV2_small", "PPLCNetV2_base_ShiTu"])
def test_a_fused_network_gives_the_same_output_with_fewer_layers(name: str) -> None:
    torch.manual_seed(0)
    net = with_statistics(BACKBONES.build({"name": name, "class_num": 8, "class_expand": 32}))
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = net(x)
    before = sum(isinstance(module, ConvNorm) for module in net.modules())
    assert fuse(net) is net
    with torch.inference_mode():
        difference = (net(x) - expected).abs().max() / expected.std()
    assert float(difference) < 1e-4
    assert sum(isinstance(module, ConvNorm) for module in net.modules()) < before
    fuse(net)  # again: nothing left to do


def test_training_form_and_fused_form_share_the_other_weights() -> None:
    net = BACKBONES.build({"name": "PPLCNetV2_small", "class_num": 0})
    before = {name for name in net.state_dict() if "dw_conv_list" not in name}
    fuse(net)
    added = set(net.state_dict()) - before
    assert added == {
        f"stages.{s}.{b}.dw_conv.{p}" for s, n in ((2, 4), (3, 2)) for b in range(n) for p in ("weight", "bias")
    }
