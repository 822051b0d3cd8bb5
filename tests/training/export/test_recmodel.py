"""A RecModel to a bundle: head gone, branches fused, preprocessing inside."""

from typing import Any

import numpy as np
import pytest
import torch

from training.config.schema import Config, check_config
from training.evaluation.binary import packed_bits
from training.export.recmodel import trained_of
from training.recmodel.model import RecModel, build_recmodel

RESIZE = {"ResizeImage": {"size": 32}}
NORMALISE = {"NormalizeImage": {"scale": "1.0/255.0", "order": ""}}
SMALL = {"name": "PPLCNet_x0_25"}
FC = {"name": "FC", "embedding_size": 1280, "class_num": 16}
SOURCE = {
    "dataset": {
        "name": "FolderDataset",
        "image_root": "x",
        "transform_ops": [{"ResizeImage": {"size": 32}}, NORMALISE],
    },
    "sampler": {"batch_size": 2},
}


def config(neck: dict[str, Any], backbone: dict[str, Any] = SMALL, head: int = 16, **settings: Any) -> Config:
    content = {
        "Global": {"epochs": 3, **settings},
        "Arch": {
            "name": "RecModel",
            "Backbone": backbone,
            "BackboneStopLayer": {"name": "flatten"},
            "Neck": neck,
            "Head": {"name": "ArcMargin", "embedding_size": head, "class_num": 5},
        },
        "Loss": {"Train": [{"CELoss": {"weight": 1.0}}]},
        "Optimizer": {"name": "Adam", "lr": {"name": "Constant", "learning_rate": 0.1}},
        "DataLoader": {"Train": SOURCE, "Eval": {"Query": SOURCE}},
    }
    return check_config(content, "test")[0]


def network(settings: Config) -> RecModel:
    """With statistics that are not those of the start, as after training."""
    torch.manual_seed(0)
    model = build_recmodel(settings.model_dump(exclude_unset=True)["Arch"])
    assert isinstance(model, RecModel)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        for step in range(8):
            model.train()(normalised(pictures(8, seed=100 + step)), torch.arange(8) % 5)
    return model.eval()


def normalised(images: np.ndarray) -> torch.Tensor:
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(((images / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32))


def pictures(count: int = 4, seed: int = 0) -> np.ndarray:
    """Colour fields: flat pictures differ more than noise does."""
    fields = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return fields.repeat(8, axis=1).repeat(8, axis=2)


def test_the_served_network_is_the_evaluated_one_without_its_head() -> None:
    settings = config(FC)
    model = network(settings)
    with torch.inference_mode():
        features = model(normalised(pictures()))["features"].numpy()
        trained = trained_of(model, settings, "toy", "1.0.0")
        got = trained.network(torch.from_numpy(pictures())).numpy()
    assert (trained.width, trained.height, trained.dim, trained.output) == (32, 32, 16, "embedding")
    np.testing.assert_allclose(got, features / np.linalg.norm(features, axis=1, keepdims=True), atol=1e-5)
    assert not any("head" in name for name, _ in trained.network.named_parameters())
    assert "PPLCNet_x0_25; neck FC; head ArcMargin in training; 3 epochs of CELoss" in trained.summary


def test_branches_are_fused_in_what_is_exported() -> None:
    neck = {"name": "BNNeck", "num_features": 512}
    settings = config(neck, {"name": "PPLCNetV2_base_ShiTu", "class_expand": 512}, head=512)
    model = network(settings)
    before = sum(parameter.numel() for parameter in model.parameters())
    with torch.inference_mode():
        features = model(normalised(pictures(2)))["features"].numpy()
        trained = trained_of(model, settings, "toy", "1.0.0")
        got = trained.network(torch.from_numpy(pictures(2))).numpy()
    np.testing.assert_allclose(got, features / np.linalg.norm(features, axis=1, keepdims=True), atol=2e-5)
    assert sum(parameter.numel() for parameter in trained.network.parameters()) < before
    assert trained.dim == 512


def test_a_hashing_configuration_gives_the_bits_of_its_features() -> None:
    settings = config(FC, feature_binarize="sign")
    model = network(settings)
    with torch.no_grad():
        centre = model(normalised(pictures()))["features"].mean(dim=0)
        model.neck.fc.bias.sub_(centre)  # type: ignore[union-attr]
        features = model(normalised(pictures()))["features"].numpy()
        trained = trained_of(model, settings, "toy", "1.0.0")
        bits = trained.network(torch.from_numpy(pictures())).numpy()
    assert (trained.output, trained.dim) == ("bits", 16)
    clear = np.abs(features) > 1e-5
    assert clear.mean() > 0.5
    expected = np.unpackbits(packed_bits(features, "sign"), axis=1)
    np.testing.assert_array_equal(np.unpackbits(bits, axis=1)[clear], expected[clear])
    assert 0.1 < expected.mean() < 0.9


def test_bits_that_do_not_fill_bytes_are_refused() -> None:
    settings = config({**FC, "class_num": 12}, head=12, feature_binarize="sign")
    with pytest.raises(ValueError, match="multiple of 8"):
        trained_of(network(settings), settings, "toy", "1.0.0")


def test_without_an_evaluation_the_preprocessing_is_not_known() -> None:
    settings = config(FC)
    loaders = settings.DataLoader.model_copy(update={"Eval": None})
    with pytest.raises(ValueError, match=r"DataLoader\.Eval"):
        trained_of(network(settings), settings.model_copy(update={"DataLoader": loaders}), "toy", "1.0.0")
