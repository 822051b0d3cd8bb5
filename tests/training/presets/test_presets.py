"""Every preset can be used: parts are known and fit, losses and gradients are there."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from training.cli import app
from training.config.schema import Config, load_config
from training.data.samplers import SAMPLERS
from training.data.transforms.chain import build_transforms
from training.engine.optimisers import build_optimisations
from training.losses import CombinedLoss
from training.presets import ABSENT, FOLDER, find_config, preset_names
from training.recmodel.build import arch_section
from training.recmodel.model import build_recmodel
from training.registry import UnknownName

NAMES = preset_names()
QUICK = {
    "GeneralRecognition/GeneralRecognition_PPLCNet_x2_5_udml",
    "GeneralRecognitionV2/GeneralRecognitionV2_PPLCNetV2_base",
    "Vehicle/ResNet50_ReID",
    "quick_start/MobileNetV1_retrieval",
}
"""Run with real numbers every time; the others with shapes alone, and with numbers among the slow tests."""
LABELS = torch.tensor([0, 0, 1, 1])


def configuration(name: str) -> Config:
    config, notes = load_config(find_config(name))
    assert notes == []
    return config


def changed(value: Any, **new: Any) -> Any:
    """A copy of nested values in which keys that are there have ``new`` values."""
    if isinstance(value, Mapping):
        return {key: new[key] if key in new else changed(inner, **new) for key, inner in value.items()}
    return [changed(inner, **new) for inner in value] if isinstance(value, list | tuple) else value


def needs_timm(section: Any) -> None:
    """Skip the test if the section names something of timm, an optional package, and it is not there."""
    if "timm" in str(section).lower():
        pytest.importorskip("timm", reason="timm, an optional package, is not installed")


def network(config: Config, classes: int | None = None) -> nn.Module:
    """The network without start weights, perhaps with fewer classes."""
    arch = arch_section(config, pretrained=False)
    needs_timm(arch)
    for part in (arch, *[model for entry in arch.get("models", ()) for model in entry.values()]):
        if classes and part.get("Head"):
            part["Head"]["class_num"] = classes
    return build_recmodel(arch)


def shapes(outputs: Any) -> Any:
    return {k: shapes(v) for k, v in outputs.items()} if isinstance(outputs, Mapping) else tuple(outputs.shape)


def like(outputs: Any) -> Any:
    """Random numbers of the shapes of nested outputs."""
    if isinstance(outputs, Mapping):
        return {key: like(value) for key, value in outputs.items()}
    return torch.randn(outputs.shape, requires_grad=True)


def tensors(outputs: Any) -> list[Tensor]:
    return [t for value in outputs.values() for t in tensors(value)] if isinstance(outputs, Mapping) else [outputs]


def total(values: Mapping[str, Tensor]) -> Tensor:
    assert all(value.isfinite() for value in values.values())
    return torch.stack(list(values.values())).sum()


@pytest.mark.parametrize("name", NAMES)
def test_network_losses_and_optimisers_fit_at_the_size_of_the_recipe(name: str) -> None:
    """Shapes alone go through the network, there and back; its losses get numbers of these shapes."""
    config = configuration(name)
    with torch.device("meta"):
        model, loss = network(config), CombinedLoss(config.Loss.Train)
    images = torch.empty(len(LABELS), *config.Global.image_shape, device="meta")
    outputs = model(images, LABELS.to("meta"))
    torch.stack([value.sum() for value in tensors(outputs)]).sum().backward()
    trained = [p for module in (model, loss) for p in module.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    made = like(outputs)
    total(CombinedLoss(config.Loss.Train)(made | {"domains": LABELS % 2}, LABELS)).backward()
    assert any(leaf.grad is not None and leaf.grad.any() for leaf in tensors(made))
    # The last one of MetaBIN gives a rate alone.
    optimisers = config.Optimizer[:2] if config.Global.train_mode == "metabin" else config.Optimizer
    built = build_optimisations(optimisers, {"model": model, "loss": loss}, config.Global.epochs, 1000)
    assert sum(len(group["params"]) for one in built for group in one.optimizer.param_groups) == len(trained)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else (pytest.mark.slow,)) for name in NAMES]
)
def test_a_preset_takes_a_step_down(name: str) -> None:
    """Five classes, four pictures; a small step against the gradient lowers the loss."""
    config = configuration(name)
    torch.manual_seed(0)
    model = network(config, classes=5).train()
    loss = CombinedLoss(changed(config.Loss.Train, num_classes=5))
    fixed = "AlexNet" in str(config.Arch.Backbone) or "VGG19" in str(config.Arch.Backbone)
    images = torch.randn(len(LABELS), 3, *([224, 224] if fixed else [64, 64]))
    for module in model.modules():
        if "Dropout" in type(module).__name__:
            module.eval()
    domains = {"domains": torch.tensor([0, 1, 0, 1])}
    before = total(loss(model(images, LABELS) | domains, LABELS))
    before.backward()
    slopes = [p for p in model.parameters() if p.grad is not None]
    length = torch.stack([p.grad.square().sum() for p in slopes]).sum().sqrt()
    assert length > 0
    with torch.no_grad():
        for parameter in slopes:
            parameter -= 1e-3 * parameter.grad / length
    assert total(loss.eval()(model(images, LABELS) | domains, LABELS)) < before


@pytest.mark.parametrize("name", NAMES)
def test_chains_give_pictures_of_the_stated_shape(name: str) -> None:
    config = configuration(name)
    picture = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    assert config.DataLoader.Eval is not None
    first, second = config.DataLoader.Eval.sources()
    for source in (config.DataLoader.Train, first, *([second] if second else [])):
        needs_timm(source.dataset["transform_ops"])
        chain = build_transforms(source.dataset["transform_ops"])
        image = chain(picture, np.random.default_rng(1))
        assert image.shape == (config.Global.image_shape[1], config.Global.image_shape[2], 3)
        assert image.dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_samplers_give_batches_of_the_stated_size(name: str) -> None:
    sources = configuration(name).DataLoader
    for source in (sources.Train, *([sources.Metalearning.Train] if sources.Metalearning else [])):
        sampler = source.sampler
        labels = np.arange(97_000) if "id_list" in sampler else np.repeat(np.arange(700), 4)
        cameras = {"domains": np.arange(len(labels)) // 4 % 6} if "camera_to_domain" in sampler else {}
        batches = SAMPLERS.build(sampler, labels=labels, seed=0, rank=0, world_size=1, **cameras)
        assert len(next(batches.batches(0))) == sampler["batch_size"]


def test_every_preset_is_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs/training/presets.md").read_text(encoding="utf-8")
    written = [text.removeprefix("…") for text in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page)]
    assert [name for name in preset_names() if not any(name.endswith(text) for text in written)] == []


def test_a_preset_is_found_by_name_and_by_the_path_that_it_had(tmp_path: Path) -> None:
    expected = FOLDER / "Vehicle/ResNet50_ReID.yaml"
    assert find_config("Vehicle/ResNet50_ReID") == expected
    assert find_config("./ppcls/configs/Vehicle/ResNet50_ReID.yaml") == expected
    assert find_config("Vehicle/PPLCNet_2.5x_ReID") == FOLDER / "Vehicle/PPLCNet_2.5x_ReID.yaml"
    own = tmp_path / "own.yaml"
    own.write_text("Global: {}\n", encoding="utf-8")
    assert find_config(str(own)) == own
    with pytest.raises(UnknownName, match="Vehicle/ResNet50_ReID"):
        find_config("Vehicle/ResNet50_ReId.yml")


@pytest.mark.parametrize("name", ABSENT)
def test_a_recipe_that_is_not_there_says_what_to_do_instead(name):
    assert name not in preset_names()
    for written in (name, f"./ppcls/configs/{name}.yaml"):
        with pytest.raises(ValueError, match="is not part of this stack"):
            find_config(written)
    result = CliRunner().invoke(app, ["train", "-c", f"ppcls/configs/{name}.yaml"])
    assert result.exit_code == 2
    assert "is not part of this stack" in " ".join(result.output.replace("│", "").split())
