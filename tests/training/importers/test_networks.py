"""Whole networks with weights of the old stack: outputs, files, errors.

``published_features.npz`` has the first 64 features that PaddleClas 2.6 (paddlepaddle 2.6.2) gave on
``RandomState(77).randn(2, 3, 64, 64)`` for networks filled by ``filled``; the tolerance is 1e-3 of the largest.
"""

import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from typer.testing import CliRunner

from kenspeckle.bundle import read_bundle
from tests.training.importers.paddle_writer import paddle_arrays, paddle_name, pdiparams
from tests.training.pictures import draw_folder
from tests.training.shared import SHARED, fixtures
from training.cli import app
from training.importers.internal_names import internal_names
from training.importers.networks import import_recmodel, imported_arch
from training.importers.pickled import NotAWeightFile
from training.importers.state import torch_name, torch_state
from training.presets import preset
from training.recmodel.model import RecModel, build_recmodel

PUBLISHED = Path(__file__).parent / "published_features.npz"
V1 = {
    "Backbone": {"name": "PPLCNet_x2_5"},
    "BackboneStopLayer": {"name": "flatten"},
    "Neck": {"name": "FC", "embedding_size": 1280, "class_num": 512},
}
V2 = {
    "Backbone": {"name": "PPLCNetV2_base_ShiTu", "class_expand": 512},
    "BackboneStopLayer": {"name": "flatten"},
    "Neck": {"name": "BNNeck", "num_features": 512},
}
RESNET = {
    "Backbone": {"name": "ResNet50"},
    "BackboneStopLayer": {"name": "flatten"},
    "Neck": {"name": "FC", "embedding_size": 2048, "class_num": 512},
}
SMALL = {
    "Backbone": {"name": "PPLCNet_x0_25", "class_expand": 16},
    "BackboneStopLayer": {"name": "flatten"},
    "Neck": {"name": "FC", "embedding_size": 16, "class_num": 8},
}
SMALL_V2 = {
    "Backbone": {"name": "PPLCNetV2_small", "class_expand": 16},
    "BackboneStopLayer": {"name": "flatten"},
    "Neck": {"name": "BNNeck", "num_features": 16},
}
Arrays = dict[str, NDArray[np.float32]]


def paddle_shapes(model: RecModel) -> dict[str, tuple[int, ...]]:
    """The old stack's tensors of an unfused network, in its order: merged convolutions stand behind their branches."""
    shapes: dict[str, tuple[int, ...]] = {}
    state = {k: tuple(v.shape) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    names = list(state)
    for name, following in zip(names, [*names[1:], ""], strict=True):
        shape = state[name]
        shapes[paddle_name(name)] = shape[::-1] if len(shape) == 2 else shape
        if "dw_conv_list" in name and "dw_conv_list" not in following:
            block = name.split("dw_conv_list")[0]
            shapes[f"{block}dw_conv.weight"] = state[f"{block}dw_conv_list.0.conv.weight"]
            shapes[f"{block}dw_conv.bias"] = shape
    return shapes


def filled(model: RecModel) -> Arrays:
    """Arrays that depend on nothing but position, name and shape."""
    arrays = {}
    for number, (name, shape) in enumerate(paddle_shapes(model).items()):
        random = np.random.RandomState(1000 + number)
        if name.endswith("_variance") or (name.endswith("weight") and len(shape) == 1):
            value = 0.5 + random.rand(*shape)
        elif len(shape) == 4:
            value = random.randn(*shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif len(shape) == 2:
            value = random.randn(*shape) * np.sqrt(1 / shape[0])
        else:
            value = 0.1 * random.randn(*shape)
        arrays[name] = value.astype(np.float32)
    return arrays


def written(arrays: Arrays, path: Path) -> Path:
    path.write_bytes(pickle.dumps({**arrays, "StructuredToParameterName@@": {}}, protocol=4))
    return path


def outputs(model: RecModel, images: NDArray[np.floating[Any]]) -> Arrays:
    with torch.inference_mode():
        given = model.eval()(torch.from_numpy(np.asarray(images, np.float32)))
    return {name: value.numpy() for name, value in given.items()}


@pytest.mark.parametrize(
    ("name", "arch"),
    [("PP-ShiTuV1", V1), ("PP-ShiTuV2", V2), ("ResNet50", RESNET)],
)
def test_whole_networks_give_the_published_features(name: str, arch: dict[str, Any], tmp_path: Path) -> None:
    published = np.load(PUBLISHED)
    model = build_recmodel(imported_arch(arch))
    assert isinstance(model, RecModel)
    arrays = filled(model)
    images = np.random.RandomState(77).randn(2, 3, 64, 64)
    model.load_state_dict(torch_state(arrays), strict=False)
    results = {"": outputs(model, images)}
    if f"{name}/features_reparam" in published:
        results["_reparam"] = outputs(import_recmodel(written(arrays, tmp_path / "x.pdparams"), arch), images)
    for suffix, result in results.items():
        for key in ("features", "backbone"):
            stored = f"{name}/{key}{suffix}" if f"{name}/{key}{suffix}" in published else f"{name}/{key}"
            expected = published[stored]
            np.testing.assert_allclose(result[key][:, :64], expected, rtol=0, atol=1e-3 * np.abs(expected).max())


@pytest.fixture
def rules() -> Iterator[ModuleType]:
    folder = SHARED / "weights/parity"
    if not folder.is_dir():
        pytest.skip(f"no parity weights at {folder} (set KENSPECKLE_SHARED)")
    sys.path.insert(0, str(folder))
    import make_parity_weights

    yield make_parity_weights
    sys.path.remove(str(folder))


PARITY = "extractor_pplcnetv2_base_shitu"


@pytest.mark.shared
@pytest.mark.parametrize("suffix", [".pdparams", ".pdiparams"])
def test_the_official_extractor_gives_the_official_embeddings(rules: ModuleType, suffix: str, tmp_path: Path) -> None:
    arrays, arch = rules.make(PARITY), V2
    path = written(arrays, tmp_path / "x.pdparams")
    if suffix == ".pdiparams":
        path = inference_file(rules, import_recmodel(path, arch), tmp_path / "x.pdiparams")
    model = import_recmodel(path, arch)
    expected = np.load(fixtures("picodet") / "expected_extractor.npz")
    for tag in ("e0", "e1", "e2", "e3"):
        result = outputs(model, rules.make_input(tag, 1, 224, 224))
        assert np.abs(result["backbone"] - expected[f"{tag}/backbone"]).max() <= 1e-4
        assert np.abs(result["features"] - expected[f"{tag}/embedding"]).max() <= 1e-4
        normalised = result["features"] / np.linalg.norm(result["features"])
        assert np.abs(normalised - expected[f"{tag}/normalised"]).max() <= 1e-5


def from_zero(internal: str, first: dict[str, int]) -> str:
    """An internal name as a process writes it that made no other network before."""
    kind, rest = internal.rsplit("_", 2)[0], internal.split("_", internal.count("_") - 1)[-1]
    number, leaf = rest.split(".")
    return f"{kind}_{int(number) - first[kind]}.{leaf}"


def relative_names(rules: ModuleType) -> dict[str, str]:
    """The stored internal names of the official extractor by our names, numbered from 0."""
    stored = {p["name"]: p["internal"] for p in rules.load_manifest()["models"][PARITY]["parameters"]}
    first = {"batch_norm1d": 0}
    for kind, name in (("conv2d", "backbone.stem.0.conv.weight"), ("batch_norm2d", "backbone.stem.0.bn.weight")):
        first[kind] = int(stored[name].split(".")[0].rsplit("_", 1)[1])
    return {torch_name(name): from_zero(internal, first) for name, internal in stored.items()}


def inference_file(rules: ModuleType, fused: RecModel, path: Path) -> Path:
    """The file that the official export writes: live tensors in the order of their internal names."""
    names = relative_names(rules)
    state = {k: v.numpy() for k, v in fused.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert len(state) == 171  # as in the official export
    path.write_bytes(pdiparams(state[name] for name in sorted(state, key=names.__getitem__)))
    return path


@pytest.mark.shared
def test_layers_are_numbered_as_the_official_network_numbers_them(rules: ModuleType) -> None:
    arch = V2
    model = build_recmodel(arch)
    assert isinstance(model, RecModel)
    ours = internal_names(model, arch["Backbone"])
    assert relative_names(rules).items() <= ours.items()
    assert {name for name in ours if name not in relative_names(rules)} == {"backbone.fc.weight", "backbone.fc.bias"}


@pytest.mark.parametrize("arch", [SMALL, SMALL_V2])
@pytest.mark.parametrize("suffix", [".pdparams", ".pdiparams"])
def test_both_kinds_of_file_give_the_network_that_wrote_them(arch: dict[str, Any], suffix: str, tmp_path: Path) -> None:
    source = build_recmodel(imported_arch(arch))
    assert isinstance(source, RecModel)
    arrays, images = filled(source), np.random.RandomState(0).randn(2, 3, 64, 64)
    source.load_state_dict(torch_state(arrays), strict=False)
    path = written(arrays, tmp_path / "x.pdparams")
    if suffix == ".pdiparams":
        names = internal_names(source, arch["Backbone"])
        state = {k: v for k, v in import_recmodel(path, arch).state_dict().items() if "num_batches" not in k}
        tensors = [
            (state[k].T if state[k].ndim == 2 else state[k]).numpy() for k in sorted(state, key=names.__getitem__)
        ]
        path = tmp_path / "x.pdiparams"
        path.write_bytes(pdiparams(tensors))
    expected, result = outputs(source, images)["features"], outputs(import_recmodel(path, arch), images)["features"]
    np.testing.assert_allclose(result, expected, atol=1e-4 * np.abs(expected).max())


def exported(tmp_path: Path, first: int, twice: bool = False) -> tuple[Arrays, Path]:
    """A small network exported by a process that made ``first`` convolutions before; with the file of its names."""
    source = build_recmodel(imported_arch(SMALL_V2))
    assert isinstance(source, RecModel)
    arrays = filled(source)
    fused = import_recmodel(written(arrays, tmp_path / "x.pdparams"), SMALL_V2)
    state = {k: v.numpy() for k, v in fused.state_dict().items() if not k.endswith("num_batches_tracked")}
    counted = internal_names(source, SMALL_V2["Backbone"])
    names = {name: re.sub(r"(?<=conv2d_)\d+", lambda m: str(int(m[0]) + first), counted[name]) for name in counted}
    noted = {internal: {"structured_name": f"base_model.{paddle_name(name)}"} for name, internal in names.items()}
    if twice:
        noted["conv2d_999.w_0"] = {"structured_name": "base_model.Teacher.backbone.last_conv.weight"}
    path = tmp_path / "inference.pdiparams"
    path.write_bytes(pdiparams(state[name] for name in sorted(state, key=names.__getitem__)))
    Path(f"{path}.info").write_bytes(pickle.dumps(noted | {"tmp_0": {"stop_gradient": True}}, protocol=2))
    return arrays, path


def test_names_noted_beside_an_inference_file_go_before_counted_ones(tmp_path: Path) -> None:
    arrays, path = exported(tmp_path, first=95)
    source = import_recmodel(tmp_path / "x.pdparams", SMALL_V2)
    images = np.random.RandomState(0).randn(2, 3, 64, 64)
    result = outputs(import_recmodel(path, SMALL_V2), images)["features"]
    np.testing.assert_array_equal(result, outputs(source, images)["features"])
    assert len(arrays) > 200
    Path(f"{path}.info").unlink()
    with pytest.raises(NotAWeightFile, match="was it trained with this Arch"):
        import_recmodel(path, SMALL_V2)


def test_an_inference_file_with_a_teacher_is_refused(tmp_path: Path) -> None:
    _, path = exported(tmp_path, first=0, twice=True)
    with pytest.raises(NotAWeightFile, match=r"has backbone\.last_conv\.weight twice"):
        import_recmodel(path, SMALL_V2)


def test_imported_networks_have_the_dropout_that_they_were_trained_with() -> None:
    imported = imported_arch({**SMALL, "Head": {"name": "FC"}, "infer_output_key": "features"})
    assert imported["Backbone"] == {"name": "PPLCNet_x0_25", "class_expand": 16, "dropout_downscale_in_infer": True}
    assert "Head" not in imported
    both = [{"Teacher": RESNET}, {"Student": SMALL}]
    assert imported_arch({"name": "DistillationModel", "models": both}) == imported_arch(SMALL)
    assert imported_arch({"models": both, "infer_model_name": "Teacher"}) == RESNET
    assert imported_arch(RESNET) == RESNET


def test_sorting_is_by_text_so_that_ten_comes_before_two() -> None:
    model = build_recmodel(SMALL)
    assert isinstance(model, RecModel)
    names = sorted(internal_names(model, SMALL["Backbone"]).values())
    assert names[:5] == [
        "batch_norm2d_0.b_0",
        "batch_norm2d_0.w_0",
        "batch_norm2d_0.w_1",
        "batch_norm2d_0.w_2",
        names[4],
    ]
    assert names[4] == "batch_norm2d_1.b_0"
    assert names.index("batch_norm2d_10.b_0") < names.index("batch_norm2d_2.b_0")
    assert names[-4:] == ["linear_0.b_0", "linear_0.w_0", "linear_1.b_0", "linear_1.w_0"]


def test_files_of_another_network_are_refused_with_what_is_wrong(tmp_path: Path) -> None:
    source = build_recmodel(SMALL)
    assert isinstance(source, RecModel)
    arrays = filled(source)
    lacking = {name: value for name, value in arrays.items() if name != "neck.fc.bias"}
    with pytest.raises(NotAWeightFile, match=r"has no neck\.fc\.bias: was it trained with this Arch"):
        import_recmodel(written(lacking, tmp_path / "x.pdparams"), SMALL)
    wider = {**SMALL, "Neck": {"name": "FC", "embedding_size": 16, "class_num": 9}}
    with pytest.raises(NotAWeightFile, match=r"neck\.fc\.weight is \(8, 16\), the network \(9, 16\)"):
        import_recmodel(written(arrays, tmp_path / "x.pdparams"), wider)
    (tmp_path / "x.pdiparams").write_bytes(pdiparams([np.zeros(3, np.float32)]))
    with pytest.raises(NotAWeightFile, match="has 1 tensors, the network of Arch 146"):
        import_recmodel(tmp_path / "x.pdiparams", SMALL)
    with pytest.raises(ValueError, match=r"wanted a \.pdparams or \.pdiparams file"):
        import_recmodel(tmp_path / "x.onnx", SMALL)


@pytest.fixture
def run_import(tmp_path: Path) -> Any:
    torch.manual_seed(0)
    source = build_recmodel(SMALL)
    weights = written(paddle_arrays(source), tmp_path / "best.pdparams")
    things = draw_folder(tmp_path / "things", 4, 4, seed=0, side=40)
    others = draw_folder(tmp_path / "others", 4, 4, seed=1, side=40)
    content = yaml.safe_load(preset("GeneralRecognition/GeneralRecognition_PPLCNet_x2_5").read_text(encoding="utf-8"))
    content["Arch"] |= {**SMALL, "Backbone": {**SMALL["Backbone"], "pretrained": True}}
    content["Arch"]["Head"]["embedding_size"] = 8
    for op in content["DataLoader"]["Eval"]["Query"]["dataset"]["transform_ops"]:
        if "ResizeImage" in op:
            op["ResizeImage"]["size"] = [64, 32]
    content["DataLoader"]["Eval"]["Gallery"] = content["DataLoader"]["Eval"]["Query"]
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(*arguments: str) -> Any:
        given = ["import-paddle", str(weights), "--out", str(tmp_path / "bundle"), *arguments]
        return CliRunner().invoke(app, [*given, "--data", str(things), "--others", str(others)])

    return run


def test_the_command_makes_a_verified_bundle(run_import: Any, tmp_path: Path) -> None:
    result = run_import("-c", str(tmp_path / "old.yaml"))
    assert result.exit_code == 0, result.output
    card = read_bundle(tmp_path / "bundle").card
    assert (card.input.width, card.input.height, card.output.dim) == (64, 32, 8)
    assert card.parity.value >= 0.9999


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("GeneralRecognitionV3", "unknown configuration file or preset"),
        ("GeneralRecognition/GeneralRecognition_PPLCNet_x2_5", "was it trained with this Arch"),
    ],
)
def test_what_cannot_be_imported_is_said_without_a_traceback(run_import: Any, config: str, message: str) -> None:
    result = run_import("-c", config)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_hostile_file_is_refused_by_the_command_and_executes_nothing(run_import: Any, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "made",)

    (tmp_path / "best.pdparams").write_bytes(pickle.dumps({"conv1.conv.weight": Evil()}, protocol=4))
    result = run_import("-c", "GeneralRecognition/GeneralRecognition_PPLCNet_x2_5")
    assert result.exit_code == 2
    assert "nothing was executed" in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "made").exists()
