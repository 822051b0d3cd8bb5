import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.engine.parameters import parameter_rules
from training.recmodel.backbones import BACKBONES, PPLCNet
from training.recmodel.backbones.layers import DownscaledDropout, SqueezeExcite, make_divisible
from training.recmodel.stop import stop_after


def test_the_pyramid_has_strides_8_16_and_32() -> None:
    net = PPLCNet(0.5)
    shapes = [tuple(level.shape) for level in net.stages(torch.zeros(1, 3, 64, 96))]
    assert shapes == [(1, 64, 8, 12), (1, 128, 4, 6), (1, 256, 2, 3)]
    assert net.channels == (64, 128, 256)


def test_the_pyramid_of_a_chain_that_stops_before_the_pool_is_the_same() -> None:
    net, x = PPLCNet(0.25).eval(), torch.randn(1, 3, 64, 64)
    whole = net.stages(x)
    stop_after(net, "blocks6")
    assert all(torch.equal(a, b) for a, b in zip(whole, net.stages(x), strict=True))
    assert torch.equal(net(x), whole[2])


def naive(net: PPLCNet, x: Tensor) -> Tensor:
    """The forward of the paper's table, written from the state dict."""
    w = net.state_dict()

    def conv_norm(x: Tensor, name: str, stride: int) -> Tensor:
        kernel = w[f"{name}.conv.weight"]
        groups = x.shape[1] if kernel.shape[1] == 1 and kernel.shape[-1] > 1 else 1
        y = F.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2, 1, groups)
        mean, variance = w[f"{name}.bn.running_mean"], w[f"{name}.bn.running_var"]
        y = (y - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        y = y * w[f"{name}.bn.weight"][:, None, None] + w[f"{name}.bn.bias"][:, None, None]
        return y * (y + 3).clamp(0, 6) / 6

    x = conv_norm(x, "conv1", 2)
    depths = {"blocks2": 1, "blocks3": 2, "blocks4": 2, "blocks5": 6, "blocks6": 2}
    for stage, depth in depths.items():
        for index in range(depth):
            name = f"{stage}.{index}"
            x = conv_norm(x, f"{name}.dw_conv", 2 if index == 0 and stage != "blocks2" else 1)
            if stage == "blocks6":
                gate = x.mean((2, 3))
                gate = (gate @ w[f"{name}.se.conv1.weight"][:, :, 0, 0].T + w[f"{name}.se.conv1.bias"]).clamp(min=0)
                gate = gate @ w[f"{name}.se.conv2.weight"][:, :, 0, 0].T + w[f"{name}.se.conv2.bias"]
                x = x * (gate / 6 + 0.5).clamp(0, 1)[:, :, None, None]
            x = conv_norm(x, f"{name}.pw_conv", 1)
    x = x.mean((2, 3)) @ w["last_conv.weight"][:, :, 0, 0].T
    x = x * (x + 3).clamp(0, 6) / 6
    return x @ w["fc.weight"].T + w["fc.bias"]


def test_the_output_is_that_of_the_written_out_formula() -> None:
    torch.manual_seed(0)
    net = PPLCNet(0.25, class_num=6, class_expand=32).double().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    x = torch.randn(2, 3, 48, 40, dtype=torch.double)
    torch.testing.assert_close(net(x), naive(net, x))


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"class_num": 7}, (1, 7)),
        ({"class_num": 0}, (1, 1280)),
        ({"class_num": 0, "class_expand": 24}, (1, 24)),
        ({"class_num": 0, "use_last_conv": False}, (1, 128)),
        ({"class_num": 5, "use_last_conv": False, "act": "relu", "stride_list": [2, 2, 1, [2, 1], 1]}, (1, 5)),
    ],
)
def test_options_shape_the_output(options: dict[str, object], shape: tuple[int, ...]) -> None:
    net = BACKBONES.build({"name": "PPLCNet_x0_25", **options}).eval()
    assert tuple(net(torch.zeros(1, 3, 32, 32)).shape) == shape


def test_strides_come_from_the_stride_list_and_leave_other_nets_alone() -> None:
    flat, plain = PPLCNet(0.25, stride_list=(2, 1, 1, 1, (2, 1))).eval(), PPLCNet(0.25).eval()
    assert tuple(flat.stages(torch.zeros(1, 3, 32, 32))[2].shape[2:]) == (8, 16)
    assert tuple(plain.stages(torch.zeros(1, 3, 32, 32))[2].shape[2:]) == (1, 1)


def test_wrong_lengths_of_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="6 values in lr_mult_list"):
        PPLCNet(0.25, lr_mult_list=(1.0,) * 5)


def test_the_tanh_net_gives_tanh_of_the_last_layer() -> None:
    net = BACKBONES.build({"name": "PPLCNet_x2_5_Tanh", "class_num": 8}).eval()
    x = torch.randn(1, 3, 32, 32)
    codes = net(x)
    stop_after(net, "fc")
    torch.testing.assert_close(codes, torch.tanh(net(x)))


def test_stages_have_their_share_of_the_learning_rate_and_batch_norms_do_not_decay() -> None:
    rules = parameter_rules(PPLCNet(0.25, lr_mult_list=(0, 0.1, 0.2, 0.3, 0.4, 0.5)))
    assert rules["conv1.conv.weight"].lr == 0
    assert rules["blocks3.1.pw_conv.conv.weight"].lr == 0.2
    assert rules["blocks6.0.se.conv1.weight"].lr == 0.5
    assert rules["last_conv.weight"].lr == rules["fc.weight"].lr == 1
    assert {name for name, rule in rules.items() if not rule.decays} == {name for name in rules if ".bn." in name}


def test_a_channel_gate_is_the_hard_sigmoid_of_a_two_layer_net_of_the_means() -> None:
    layer, x = SqueezeExcite(8), torch.randn(2, 8, 3, 5)
    hidden = (layer.conv1.weight[:, :, 0, 0] @ x.mean((2, 3)).T).T + layer.conv1.bias
    gate = (layer.conv2.weight[:, :, 0, 0] @ hidden.clamp(min=0).T).T + layer.conv2.bias
    torch.testing.assert_close(layer(x), x * (gate / 6 + 0.5).clamp(0, 1)[..., None, None])


def test_downscaled_dropout_only_zeroes_in_training_and_scales_in_inference() -> None:
    layer, x = DownscaledDropout(0.2), torch.ones(100, 100)
    torch.manual_seed(0)
    trained = layer.train()(x)
    assert set(trained.unique().tolist()) == {0.0, 1.0}
    assert 0.78 < float(trained.mean()) < 0.82
    assert torch.equal(layer.eval()(x), x * 0.8)


@pytest.mark.parametrize(("value", "rounded"), [(4, 8), (12, 16), (16 * 0.35, 8), (24, 24), (64 * 0.35, 24), (91, 88)])
def test_channels_are_multiples_of_eight_not_below_nine_tenths(value: float, rounded: int) -> None:
    assert make_divisible(value) == rounded
