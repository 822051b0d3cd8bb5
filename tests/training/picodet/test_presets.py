"""Published networks: trainable parameters and multiply-adds, from the published configurations' graphs."""

import dataclasses

import pytest
import torch

from training.picodet.complexity import multiply_adds, parameter_count
from training.picodet.model import PicoDet
from training.picodet.presets import PRESETS

PARAMETERS = {  # one class, 80 classes
    "picodet_xs_320": (673_602, 704_254),
    "picodet_s_320": (1_155_840, 1_186_492),
    "picodet_m_320": (3_424_552, 3_465_316),
    "picodet_l_320": (5_753_624, 5_804_500),
    "picodet_legacy_s_320": (962_063, 992_715),
    "picodet_legacy_m_320": (2_111_790, 2_152_554),
    "picodet_legacy_l_320": (3_254_133, 3_305_009),
    "picodet_mainbody_640": (7_043_956, None),
    "picodet_lcnet_x1_0_640": (1_789_924, None),
}
GMAC = {  # one class
    "picodet_xs_320": 0.315,
    "picodet_xs_416": 0.532,
    "picodet_s_320": 0.465,
    "picodet_s_416": 0.786,
    "picodet_m_320": 1.251,
    "picodet_m_416": 2.116,
    "picodet_l_320": 2.059,
    "picodet_l_416": 3.480,
    "picodet_l_640": 8.233,
    "picodet_legacy_s_320": 0.335,
    "picodet_legacy_s_416": 0.566,
    "picodet_legacy_m_320": 0.695,
    "picodet_legacy_m_416": 1.175,
    "picodet_legacy_l_320": 1.057,
    "picodet_legacy_l_416": 1.788,
    "picodet_legacy_l_640": 4.229,
    "picodet_mainbody_640": 9.058,
    "picodet_lcnet_x1_0_640": 2.772,
}


def network(name, classes=1):
    with torch.device("meta"):
        return PicoDet(dataclasses.replace(PRESETS[name].model, classes=classes)).eval()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_preset_has_the_published_number_of_parameters(name):
    one, eighty = PARAMETERS[name]
    assert parameter_count(network(name)) == one
    if eighty:
        assert parameter_count(network(name, classes=80)) == eighty


@pytest.mark.parametrize("name", GMAC)
def test_a_preset_has_the_published_cost(name):
    size = PRESETS[name].input_size
    assert multiply_adds(network(name), size, size) / 1e9 == pytest.approx(GMAC[name], abs=5.5e-4)


def test_the_parts_of_the_main_body_network_have_the_published_size():
    model = network("picodet_mainbody_640")
    parts = [parameter_count(part) for part in (model.backbone, model.neck, model.head)]
    assert parts == [6_098_160, 607_232, 338_564]


def test_sizes_of_training_lie_around_the_input_size():
    for preset in PRESETS.values():
        assert preset.sizes[len(preset.sizes) // 2] == preset.input_size
        assert all(size % 32 == 0 for size in preset.sizes)
