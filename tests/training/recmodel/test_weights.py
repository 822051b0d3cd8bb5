import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.training.importers.paddle_writer import paddle_arrays
from training.recmodel.backbones.build import build_backbone
from training.recmodel.weights import FOLDER_VARIABLE, find_weights, load_weights, read_weights

NET = {"name": "PPLCNet_x0_25", "class_num": 5}


def write(net: nn.Module, path: Path) -> Path:
    if path.suffix == ".pdparams":
        path.write_bytes(pickle.dumps(paddle_arrays(net), protocol=4))
    elif path.suffix == ".safetensors":
        save_file(net.state_dict(), path)
    else:
        torch.save({"state_dict": net.state_dict()}, path)
    return path


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors", ".pth"])
def test_a_backbone_starts_from_a_file(tmp_path: Path, suffix: str) -> None:
    source = build_backbone(NET)
    path = write(source, tmp_path / f"net{suffix}")
    assert not same(build_backbone(NET), source)
    assert same(build_backbone({**NET, "pretrained": str(path)}), source)


def test_the_suffix_of_old_paths_may_be_missing(tmp_path: Path) -> None:
    source = build_backbone(NET)
    write(source, tmp_path / "best_model.pdparams")
    assert same(build_backbone({**NET, "pretrained": str(tmp_path / "best_model")}), source)


@pytest.mark.parametrize(
    ("pretrained", "use_ssld", "file"),
    [
        (True, False, "PPLCNet_x0_25_pretrained.pdparams"),
        (True, True, "PPLCNet_x0_25_ssld_pretrained.pdparams"),
        (True, False, "PPLCNet_x0_25_pretrained.safetensors"),
        ("https://example.com/weights/reid_v1.pdparams", False, "reid_v1.pdparams"),
    ],
)
def test_downloaded_weights_are_found_by_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretrained: bool | str, use_ssld: bool, file: str
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    stem = Path(file).stem
    with pytest.raises(FileNotFoundError, match=rf"download \S*/{stem}\.\w+ into {tmp_path} .*pretrained=False"):
        find_weights("PPLCNet_x0_25", pretrained, use_ssld)
    source = build_backbone(NET)
    write(source, tmp_path / file)
    assert same(build_backbone({**NET, "pretrained": pretrained, "use_ssld": use_ssld}), source)


def test_a_variant_starts_from_the_weights_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    source = build_backbone({"name": "PPLCNetV2_base"})
    write(source, tmp_path / "PPLCNetV2_base_ssld_pretrained.pdparams")
    net = build_backbone({"name": "PPLCNetV2_base_ShiTu", "pretrained": True, "use_ssld": True, "class_expand": 512})
    assert torch.equal(net.stages[3][0].pw_conv.conv.weight, source.stages[3][0].pw_conv.conv.weight)
    assert torch.equal(net.stages[2][5].pw_conv_2.bn.weight, source.stages[2][5].pw_conv_2.bn.weight)
    branch = "stages.3.0.dw_conv_list.2"  # the 1x1 branch exists only where the stride is 1
    assert f"{branch}.conv.weight, {branch}.bn.weight" in caplog.text


def test_lite_weights_come_with_their_package() -> None:
    net = build_backbone({"name": "EfficientNetLite1", "pretrained": True}).eval()
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        features = net(x)
    assert 0.05 < float((features > 0).float().mean()) < 1
    assert float(features.max()) <= 6


def test_another_classifier_starts_anew_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    source, net = build_backbone(NET), build_backbone({**NET, "class_num": 7})
    assert load_weights(net, source.state_dict(), "source") == ["fc.weight", "fc.bias"]
    assert "source has no fitting fc.weight, fc.bias" in caplog.text
    assert torch.equal(net.conv1.conv.weight, source.conv1.conv.weight)


def test_weights_of_a_whole_model_fit_its_backbone() -> None:
    source, net = build_backbone(NET), build_backbone(NET)
    whole = {f"backbone.{name}": value for name, value in source.state_dict().items()} | {"neck.fc.bias": torch.ones(2)}
    assert load_weights(net, whole, "whole") == []
    assert same(net, source)


def test_weights_of_another_network_are_refused() -> None:
    other = build_backbone({"name": "MobileNetV1"})
    with pytest.raises(ValueError, match=r"other\.pth has 0 of the 146 tensors of PPLCNet"):
        load_weights(build_backbone(NET), other.state_dict(), "other.pth")


def test_files_of_other_kinds_and_missing_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"weights are \.safetensors"):
        read_weights(tmp_path / "weights.npy")
    with pytest.raises(FileNotFoundError, match="no such weights"):
        read_weights(tmp_path / "nothing")


def test_torch_files_are_read_without_executing_them(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return Path.touch, (tmp_path / "made",)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth holds more than tensors, or is broken"):
        read_weights(tmp_path / "evil.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("suffix", [".pth", ".pdparams", ".safetensors"])
def test_a_truncated_file_is_refused_with_its_name(tmp_path: Path, suffix: str) -> None:
    path = write(build_backbone(NET), tmp_path / f"cut{suffix}")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=rf"cut\{suffix}"):
        read_weights(path)


def test_a_timm_backbone_says_what_to_install_where_timm_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModuleNotFoundError, match="pip install timm"):
        build_backbone({"name": "timm/resnet18"})


def test_a_timm_backbone_is_made_without_its_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for timm; the real one is tried below where it is installed."""
    asked = []

    def create_model(name: str, **options: object) -> nn.Module:
        if name != "resnet18":
            raise RuntimeError(f"Unknown model ({name})")
        asked.append(options)
        return nn.Flatten()

    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    build_backbone({"name": "timm/resnet18", "pretrained": True, "drop_rate": 0.1})
    assert asked == [{"pretrained": True, "num_classes": 0, "drop_rate": 0.1}]
    with pytest.raises(ValueError, match=r"timm/resnet81: Unknown model"):
        build_backbone({"name": "timm/resnet81"})


def test_a_timm_backbone_gives_pooled_features() -> None:
    pytest.importorskip("timm", reason="timm, an optional package, is not installed")
    net = build_backbone({"name": "timm/resnet18"}).eval()
    assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 512)
