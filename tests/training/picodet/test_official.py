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


def test_only_official_backbones_can_take_official_weights():
    with torch.device("meta"):
        lite0, esnet = PicoDet(ModelConfig()), PicoDet(LEGACY_S)
    with pytest.raises(ValueError, match="LCNet and ESNet"):
        load_official(lite0, {})
    with pytest.raises(ValueError, match=r"give the \.pdparams"):
        load_official(esnet, {"conv2d_0.w_0": np.zeros(1, np.float32)})


def norm(name, width):
    return {f"{name}.{leaf}": (width,) for leaf in ("weight", "bias", "_mean", "_variance")}


def esnet_convolution(name, outputs, inputs, kernel):
    return {f"{name}._conv.weight": (outputs, inputs, kernel, kernel)} | norm(f"{name}._batch_norm", outputs)


def esnet_gate(name, width):
    small = width // 4
    weights = {f"{name}.conv1.weight": (small, width, 1, 1), f"{name}.conv2.weight": (width, small, 1, 1)}
    return weights | {f"{name}.conv1.bias": (small,), f"{name}.conv2.bias": (width,)}


def esnet_shapes():
    """Names and shapes of the official ESNet x0.75, with the classifier's last layer, written down from its widths."""
    shapes = esnet_convolution("_conv1", 24, 3, 3) | {"fc.weight": (1280, 1000)}
    widths = {2: (96, [88, 48, 48]), 3: (192, [96, 120, 96, 120, 96, 96, 96]), 4: (384, [192, 192, 192])}
    inputs = 24
    for stage, (outputs, middles) in widths.items():
        half = outputs // 2
        for number, middle in enumerate(middles, 1):
            block, narrow = f"{stage}_{number}", middle // 2
            if number == 1:
                shapes |= esnet_convolution(f"{block}._conv_dw_1", inputs, 1, 3)
                shapes |= esnet_convolution(f"{block}._conv_linear_1", half, inputs, 1)
                shapes |= esnet_convolution(f"{block}._conv_pw_2", narrow, inputs, 1)
                shapes |= esnet_convolution(f"{block}._conv_dw_2", narrow, 1, 3)
                shapes |= esnet_gate(f"{block}._se", narrow)
                shapes |= esnet_convolution(f"{block}._conv_linear_2", half, narrow, 1)
                shapes |= esnet_convolution(f"{block}._conv_dw_mv1", outputs, 1, 3)
                shapes |= esnet_convolution(f"{block}._conv_pw_mv1", outputs, outputs, 1)
            else:
                shapes |= esnet_convolution(f"{block}._conv_pw", narrow, half, 1)
                shapes |= esnet_convolution(f"{block}._conv_dw", narrow, 1, 3)
                shapes |= esnet_gate(f"{block}._se", middle)
                shapes |= esnet_convolution(f"{block}._conv_linear", half, middle, 1)
        inputs = outputs
    return shapes


def drawn(shapes):
    rng = np.random.default_rng(0)
    return {name: rng.random(shape, np.float32) for name, shape in shapes.items()}


def pickled(arrays, path):
    with path.open("wb") as file:
        pickle.dump(arrays | {"StructuredToParameterName@@": {}}, file, protocol=4)
    return path


def test_official_weights_of_esnet_alone_fill_the_backbone(tmp_path):
    arrays, model = drawn(esnet_shapes()), PicoDet(LEGACY_S)
    load_official(model, read_official(pickled(arrays, tmp_path / "esnet.pdparams"), model))
    state = model.state_dict()
    for theirs, ours in {
        "_conv1._conv.weight": "stem.conv.weight",
        "2_1._conv_dw_1._conv.weight": "stages.0.0.dw1.conv.weight",
        "2_1._conv_linear_2._batch_norm._variance": "stages.0.0.linear2.bn.running_var",
        "3_1._conv_pw_mv1._batch_norm.bias": "stages.1.0.pw.bn.bias",
        "3_7._se.conv2.bias": "stages.1.6.se.conv2.bias",
        "4_3._conv_linear._batch_norm._mean": "stages.2.2.linear.bn.running_mean",
    }.items():
        assert np.array_equal(state[f"backbone.{ours}"].numpy(), arrays[theirs]), theirs
    filled = sum(name.startswith("backbone.") and "num_batches" not in name for name in state)
    assert filled == len(arrays) - 1


def test_a_missing_tensor_of_a_backbone_is_named(tmp_path):
    shapes = esnet_shapes()
    del shapes["3_2._conv_pw._conv.weight"]
    with pytest.raises(ValueError, match=r"1 tensors.*backbone\.stages\.1\.1\.pw\.conv\.weight: found none"):
        load_official(PicoDet(LEGACY_S), drawn(shapes))


def test_an_inference_archive_of_esnet_is_refused_with_what_to_give(tmp_path):
    with pytest.raises(ValueError, match=r"inference\.pdiparams: .*give the \.pdparams"):
        read_official(tmp_path / "inference.pdiparams", PicoDet(LEGACY_S))


def test_training_starts_from_the_official_backbone_of_lcnet(tmp_path):
    source = PicoDet(TINY)
    official = {}
    for name, tensor in source.backbone.net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            theirs = name.replace("running_mean", "_mean").replace("running_var", "_variance")
            official[theirs] = tensor.numpy()
    model = PicoDet(TINY)
    load_official(model, read_official(pickled(official, tmp_path / "lcnet.pdparams"), model))
    for name, tensor in source.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], tensor), name


def test_leftovers_of_the_parent_class_have_no_name_here():
    assert own_name("head.p4_feat.scale_reg", False) is None
    assert own_name("head.distribution_project.project", False) is None
    assert own_name("head.head_reg_list.2.weight", True) is None
