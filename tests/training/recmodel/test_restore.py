"""Networks back from files, without their heads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from training.config.schema import Config, check_config
from training.export.recmodel import trained_of
from training.recmodel.model import DistillationModel, build_recmodel
from training.recmodel.restore import restored

SOURCE = {
    "dataset": {"name": "FolderDataset", "image_root": "x", "transform_ops": [{"ResizeImage": {"size": 32}}]},
    "sampler": {"batch_size": 2},
}


def network(dim: int) -> dict[str, Any]:
    return {
        "name": "RecModel",
        "Backbone": {"name": "PPLCNet_x0_25"},
        "BackboneStopLayer": {"name": "flatten"},
        "Neck": {"name": "FC", "embedding_size": 1280, "class_num": dim},
        "Head": {"name": "FC", "embedding_size": dim, "class_num": 5},
    }


def config(arch: dict[str, Any], weights: Path | None = None) -> Config:
    content = {
        "Global": {"pretrained_model": str(weights) if weights else None},
        "Arch": arch,
        "Loss": {"Train": [{"CELoss": {"weight": 1.0}}]},
        "Optimizer": {"name": "Adam", "lr": {"name": "Constant", "learning_rate": 0.1}},
        "DataLoader": {"Train": SOURCE, "Eval": {"Query": SOURCE}},
    }
    return check_config(content, "test")[0]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[DistillationModel, Config]:
    """A teacher and a student with saved weights."""
    arch = {
        "name": "DistillationModel",
        "models": [{"Teacher": network(16)}, {"Student": network(8)}],
        "freeze_params_list": [True, False],
        "infer_model_name": "Student",
    }
    torch.manual_seed(0)
    model = build_recmodel(arch)
    assert isinstance(model, DistillationModel)
    save_file(model.state_dict(), tmp_path / "pair.safetensors")
    return model.eval(), config(arch, tmp_path / "pair.safetensors")


def test_the_student_of_a_distillation_is_what_is_exported(pair: tuple[DistillationModel, Config]) -> None:
    model, settings = pair
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    planes = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        features = model(planes)["Student"]["features"].numpy()
        trained = trained_of(restored(settings), settings, "student", "1.0.0")
        got = trained.network(torch.from_numpy(images)).numpy()
    assert trained.dim == 8
    np.testing.assert_allclose(got, features / np.linalg.norm(features, axis=1, keepdims=True), atol=1e-5)
    assert "Student" in trained.summary


def test_weights_of_another_network_are_refused(pair: tuple[DistillationModel, Config], tmp_path: Path) -> None:
    _, settings = pair
    with pytest.raises(ValueError, match="tensors"):
        restored(config(network(8), settings.Global.pretrained_model))
    single = build_recmodel(network(8))
    weights = {name: value for name, value in single.state_dict().items() if name != "neck.fc.bias"}
    save_file(weights, tmp_path / "cut.safetensors")
    with pytest.raises(ValueError, match=r"lacks neck\.fc\.bias"):
        restored(config(network(8), tmp_path / "cut.safetensors"))
    with pytest.raises(ValueError, match="pretrained_model"):
        restored(config(network(8)))
