"""Networks filled with the reference weights against arrays of the published implementation."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch

from tests.training.importers.paddle_writer import pdiparams
from tests.training.picodet.reference import PARITY, rules, stored
from training.picodet.boxes import cells, decode
from training.picodet.model import ModelConfig, PicoDet
from training.picodet.official import archive_names, creation_order, load_official, own_name, read_official
from training.picodet.presets import LEGACY_S, MAINBODY, S

CASES = {
    "detector": ("detector_lcnet_x2_5_mainbody", MAINBODY),
    "detector_v2": ("detector_v2_s_3cls", dataclasses.replace(S, classes=3)),
}
TINY = ModelConfig({"name": "LCNet", "scale": 0.25}, channels=16, tower_depth=1)
TINY_V2 = dataclasses.replace(TINY, neck="LCPAN", head="PicoHeadV2")


class TestReference:
    pytestmark = pytest.mark.shared

    @pytest.fixture(scope="class")
    def networks(self):
        made = {}
        for kind, (name, config) in CASES.items():
            made[kind] = PicoDet(config).eval()
            load_official(made[kind], rules().make(name))
        return made

    @pytest.mark.parametrize(
        ("kind", "tag", "count", "height", "width"),
        [
            ("detector", "d0", 1, 640, 640),
            ("detector", "d1", 1, 640, 640),
            ("detector", "d2", 1, 416, 320),
            ("detector_v2", "v0", 2, 320, 320),
            ("detector_v2", "v1", 1, 416, 320),
        ],
    )
    def test_scores_boxes_and_maps_are_the_stored_ones(self, networks, kind, tag, count, height, width):
        model, expected = networks[kind], stored(kind)
        normalised = torch.from_numpy(rules().make_input(tag, count, height, width))
        with torch.no_grad():
            maps = model.backbone(normalised)
            pyramid = model.neck(maps)
            class_outputs, distance_logits = model.head(pyramid)
        for name, level in zip(("c3", "c4", "c5", "p3", "p4", "p5", "p6"), [*maps, *pyramid], strict=True):
            near = 1e-4 * float(expected[f"{tag}/{name}_mean_std"][1])
            np.testing.assert_allclose(level[:, :4, :4, :4], expected[f"{tag}/{name}_slice"], atol=5 * near)
        scores = model.scores(class_outputs).transpose(1, 2)
        np.testing.assert_allclose(scores, expected[f"{tag}/scores"], atol=3e-4)
        boxes = decode(distance_logits, *cells(height, width))
        np.testing.assert_allclose(boxes, expected[f"{tag}/boxes"], atol=2e-2)

    @pytest.mark.parametrize("kind", CASES)
    def test_both_kinds_of_files_give_the_same_network(self, networks, kind, tmp_path):
        name, config = CASES[kind]
        arrays = rules().make(name)
        listed = json.loads((PARITY / "manifest.json").read_text())["models"][name]["parameters"]
        internal = first_process({entry["internal"]: arrays[entry["name"]] for entry in listed})
        used = {name: array for name, array in internal.items() if not name.startswith("scale_reg")}
        (tmp_path / "inference.pdiparams").write_bytes(pdiparams(used[name] for name in sorted(used)))
        with (tmp_path / "model.pdparams").open("wb") as file:
            pickle.dump(arrays | {"StructuredToParameterName@@": {}}, file, protocol=4)
        for file in ("inference.pdiparams", "model.pdparams"):
            model = PicoDet(config)
            load_official(model, read_official(tmp_path / file, model))
            for key, value in networks[kind].state_dict().items():
                assert torch.equal(model.state_dict()[key], value), key

    @pytest.mark.parametrize("kind", CASES)
    def test_the_internal_numbers_lead_to_the_same_layers_as_the_names(self, kind):
        rules()
        name, config = CASES[kind]
        listed = json.loads((PARITY / "manifest.json").read_text())["models"][name]["parameters"]
        names = {entry["internal"]: entry["name"] for entry in listed if "_list." not in entry["name"]}
        with torch.device("meta"):
            model = PicoDet(config)
        own = {module: name for name, module in model.named_modules()}
        for kind, leaf in (("conv2d", "w_0"), ("batch_norm2d", "w_1")):
            mine = [i for i in names if i.startswith(kind) and i.endswith(leaf)]
            numbers = sorted(int(i.split(".")[0].split("_")[-1]) for i in mine)
            layers = [m for m in creation_order(model) if isinstance(m, torch.nn.Conv2d) is (kind == "conv2d")]
            for number, layer in zip(numbers, layers, strict=True):
                official = own_name(names[f"{kind}_{number}.{leaf}"], separate_outputs="v2" in name)
                assert official.rpartition(".")[0] == own[layer]


def first_process(arrays):
    """The same tensors with the numbers that they would have in a process that made nothing before."""
    kinds = {name: name.split(".")[0].rpartition("_") for name in arrays}
    first = {}
    for kind, _, number in kinds.values():
        first[kind] = min(first.get(kind, int(number)), int(number))
    return {
        f"{kind}_{int(number) - first[kind]}.{name.split('.')[1]}" if "." in name else name: arrays[name]
        for name, (kind, _, number) in kinds.items()
    }


def numbered(model):
    """The tensors of a network under internal names, with gaps in the numbers as the official ones have."""
    arrays, counts = {}, {"conv2d": 40, "batch_norm2d": 7}
    for layer in creation_order(model):
        kind = "conv2d" if isinstance(layer, torch.nn.Conv2d) else "batch_norm2d"
        tensors = {"w_0": layer.weight, "b_0": layer.bias}
        if kind == "batch_norm2d":
            tensors |= {"w_1": layer.running_mean, "w_2": layer.running_var}
        for leaf, tensor in tensors.items():
            if tensor is not None:
                arrays[f"{kind}_{counts[kind]}.{leaf}"] = tensor.detach().numpy()
        counts[kind] += 2
    return arrays


@pytest.mark.parametrize("config", [TINY, TINY_V2], ids=["legacy", "v2"])
def test_every_tensor_has_a_number(config):
    torch.manual_seed(0)
    model, copy = PicoDet(config), PicoDet(config)
    load_official(copy, numbered(model))
    for name, value in model.state_dict().items():
        assert torch.equal(copy.state_dict()[name], value), name


@pytest.mark.parametrize("config", [TINY, TINY_V2], ids=["legacy", "v2"])
def test_an_inference_archive_is_read_in_the_order_of_its_names(config, tmp_path):
    torch.manual_seed(0)
    model, copy = PicoDet(config), PicoDet(config)
    arrays = dict(zip(archive_names(model), numbered(model).values(), strict=True))
    constants = [np.arange(8, dtype=np.float32)]
    path = tmp_path / "inference.pdiparams"
    path.write_bytes(pdiparams([*(arrays[name] for name in sorted(arrays)), *constants]))
    load_official(copy, read_official(path, copy))
    for name, value in model.state_dict().items():
        assert torch.equal(copy.state_dict()[name], value), name
    path.write_bytes(pdiparams(constants))
    with pytest.raises(ValueError, match=r"inference\.pdiparams: 1 tensors"):
        read_official(path, copy)


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"weights\.bin: official weights are"):
        read_official(tmp_path / "weights.bin", PicoDet(TINY))


def test_weights_of_another_shape_are_refused_with_the_first_tensor():
    wide = PicoDet(dataclasses.replace(TINY, channels=32))
    with pytest.raises(ValueError, match=r"do not fit.*found .*32.*wanted .*16.*check scale, channels"):
        load_official(PicoDet(TINY), numbered(wide))


def test_weights_of_a_deeper_network_are_refused():
    with pytest.raises(ValueError, match=r"layers conv2d, the network has"):
        load_official(PicoDet(TINY), numbered(PicoDet(dataclasses.replace(TINY, tower_depth=2))))


def test_only_the_backbone_of_the_official_weights_can_take_them():
    with torch.device("meta"):
        model = PicoDet(LEGACY_S)
    with pytest.raises(ValueError, match="LCNet"):
        load_official(model, {})


def test_leftovers_of_the_parent_class_have_no_name_here():
    assert own_name("head.p4_feat.scale_reg", False) is None
    assert own_name("head.distribution_project.project", False) is None
    assert own_name("head.head_reg_list.2.weight", True) is None
