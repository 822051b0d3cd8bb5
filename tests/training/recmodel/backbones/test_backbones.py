"""Every backbone of the registry: size, shapes, gradients, determinism."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.recmodel.backbones import BACKBONES
from training.recmodel.fuse import Fusible, fuse
from training.recmodel.stop import stop_after, stop_layers

PAGE = Path(__file__).parents[4] / "docs/training/models.md"
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \| (\d+) \| (.+) \| ([\d.]+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Published:
    """``state``: elements of parameters and batch-norm statistics; ``macs``: multiply-adds of convolutions at 224."""

    width: int
    state: int | None = None
    macs: int | None = None
    parameters: int | None = None
    stop: str = "flatten"


# States and multiply-adds: measured in PaddleClas 2.6. Parameters: tables of torchvision and timm, less the classifier.
PUBLISHED = {
    "PPLCNet_x0_25": Published(1280, 242_936, 15_493_440),
    "PPLCNet_x0_35": Published(1280, 365_930, 26_077_832),
    "PPLCNet_x0_5": Published(1280, 604_048, 43_451_008),
    "PPLCNet_x0_75": Published(1280, 1_084_232, 93_506_496),
    "PPLCNet_x1_0": Published(1280, 1_682_464, 154_420_480),
    "PPLCNet_x1_5": Published(1280, 3_235_248, 332_908_416),
    "PPLCNet_x2_0": Published(1280, 5_262_400, 578_914_816),
    "PPLCNet_x2_5": Published(1280, 7_763_920, 892_439_680),
    "PPLCNet_x2_5_Tanh": Published(1280, 7_763_920, 892_439_680),
    "PPLCNetV2_small": Published(1280, 2_936_160, 282_183_168),
    "PPLCNetV2_base": Published(1280, 5_560_192, 598_792_192),
    "PPLCNetV2_large": Published(1280, 9_498_400, 1_091_064_320),
    "PPLCNetV2_base_ShiTu": Published(512, 4_778_880 - 4 * 512, 837_144_576),
    "ResNet50": Published(2048, 23_561_152, 4_087_136_256),
    "ResNet50_vd": Published(2048, 23_580_512, 4_326_776_832),
    "ResNet50_last_stage_stride1": Published(2048, 23_561_152, 6_207_619_072 - 2048 * 512),
    "ResNet50_vd_last_stage_stride1": Published(2048, 23_580_512),
    # That of ResNet50 with two more affine numbers and a gate in each of the 26,560 normalised channels.
    "ResNet50_metabin": Published(2048, parameters=25_557_032 - 2_049_000 + 3 * 26_560),
    "ResNet50_adaptive_max_pool2d": Published(2048, 23_561_152, 4_087_136_256),
    "ResNet101": Published(2048, parameters=44_549_160 - 2_049_000),
    "ResNet152": Published(2048, parameters=60_192_808 - 2_049_000),
    "MobileNetV1": Published(1024, 3_228_864, 567_716_352),
    "MobileNetV3_large_x1_0": Published(1280, 4_223_638, 218_519_200),
    "EfficientNetLite0": Published(1280, parameters=4_652_008 - 1_281_000),
    "EfficientNetLite1": Published(1280, parameters=5_416_680 - 1_281_000),
    "EfficientNetLite2": Published(1280, parameters=6_092_072 - 1_281_000),
    "AlexNet": Published(1000, parameters=61_100_840, stop="fc"),
    "VGG19Sigmoid": Published(1000, parameters=143_667_240 - 5_504, stop="sigmoid"),  # no biases of convolutions here
}
OPTIONS = {"PPLCNetV2_base_ShiTu": {"class_expand": 512}}
FUSED = {
    "PPLCNetV2_small": (2_821_728, 279_040_896),
    "PPLCNetV2_base": (5_359_488, 592_595_456),
    "PPLCNetV2_large": (9_187_360, 1_080_809_600),
    "PPLCNetV2_base_ShiTu": (4_575_616 - 4 * 512, 828_664_832),
}
SMALL = [name for name in PUBLISHED if name.startswith(("PPLCNet", "Mobile", "Efficient"))]
FAMILIES = (
    "PPLCNet_x0_25",
    "PPLCNet_x2_5_Tanh",
    "PPLCNetV2_small",
    "PPLCNetV2_base_ShiTu",
    "ResNet50",
    "ResNet50_vd",
    "ResNet50_metabin",
    "MobileNetV1",
    "MobileNetV3_large_x1_0",
    "EfficientNetLite0",
    "AlexNet",
    "VGG19Sigmoid",
)


@dataclass(frozen=True)
class Counted:
    """Of a network up to its stop layer, for one picture of 224 x 224. ``macs`` are of convolutions, ``all_macs`` also
    of linear layers; ``state`` has the merged convolutions that the published states hold beside their branches."""

    shape: tuple[int, ...]
    state: int
    parameters: int
    macs: int
    all_macs: int


def on_meta(name: str) -> nn.Sequential:
    with torch.device("meta"):
        net = BACKBONES.build({"name": name, **OPTIONS.get(name, {})})
    stop_after(net, PUBLISHED[name].stop)
    return net


def counted(net: nn.Module) -> Counted:
    state = sum(value.numel() for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked"))
    branches = [module.dw_conv_list[0].conv for module in net.modules() if hasattr(module, "dw_conv_list")]
    macs: dict[type[nn.Module], int] = {nn.Conv2d: 0, nn.Linear: 0}

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        for kind in macs:
            if isinstance(module, kind):
                macs[kind] += output.numel() * module.weight[0].numel()

    hooks = [module.register_forward_hook(count) for module in net.modules()]
    with torch.no_grad():
        shape = tuple(net.eval()(torch.empty(1, 3, 224, 224, device="meta")).shape)
    for hook in hooks:
        hook.remove()
    return Counted(
        shape,
        state + sum(conv.weight.numel() + conv.out_channels for conv in branches),
        sum(parameter.numel() for parameter in net.parameters()),
        macs[nn.Conv2d],
        sum(macs.values()),
    )


@functools.cache
def before_and_after_fusion(name: str) -> tuple[Counted, Counted]:
    net = on_meta(name)
    before = counted(net)
    fuses = any(isinstance(module, Fusible) for module in net.modules())
    return before, counted(fuse(net)) if fuses else before


def test_the_table_covers_the_registry() -> None:
    assert set(PUBLISHED) == set(BACKBONES)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_size_and_multiply_adds_are_the_published_ones(name: str) -> None:
    published, (ours, _) = PUBLISHED[name], before_and_after_fusion(name)
    assert ours.shape == (1, published.width)
    assert published.state in (None, ours.state)
    assert published.macs in (None, ours.macs)
    assert published.parameters in (None, ours.parameters)


@pytest.mark.parametrize("name", list(FUSED))
def test_size_and_multiply_adds_of_the_fused_form_are_the_published_ones(name: str) -> None:
    _, fused = before_and_after_fusion(name)
    assert (fused.state, fused.macs) == FUSED[name]


def test_the_page_of_models_has_these_figures() -> None:
    rows = {name: cells for name, *cells in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    assert set(rows) == set(BACKBONES)
    for name, cells in rows.items():
        before, after = before_and_after_fusion(name)
        millions = f"{before.parameters / 1e6:.2f}"
        if after.parameters != before.parameters:
            millions = f"{millions} ({after.parameters / 1e6:.2f})"
        assert cells == [PUBLISHED[name].stop, str(before.shape[1]), millions, f"{after.all_macs / 1e9:.3f}"], name


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_reach_every_parameter(name: str) -> None:
    net = on_meta(name).train()
    net(torch.empty(2, 3, 224, 224, device="meta")).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_in_evaluation_a_picture_gives_the_same_features_alone_and_in_company(name: str) -> None:
    torch.manual_seed(0)
    net = BACKBONES.build({"name": name}).eval()
    x = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        together, alone = net(x), net(x[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)
    assert float(together.std(0).max()) > 0


@pytest.mark.parametrize("name", FAMILIES)
def test_it_can_stop_inside_its_first_stage(name: str) -> None:
    with torch.device("meta"):
        net = BACKBONES.build({"name": name})
    stop = next(layer for layer in stop_layers(net) if layer.count("[") == 1)
    stop_after(net, stop)
    assert list(stop_layers(net))[-1] == stop.split("[")[0]
    assert net.eval()(torch.empty(1, 3, 64, 64, device="meta")).ndim == 4
