"""The gates of MetaBIN learn what the written-out rule says, and nothing else does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from typer.testing import CliRunner

from tests.training.pictures import draw_folder
from training.cli import app
from training.data.build import build_dataset, build_loader
from training.engine.task import MODEL, Position
from training.losses import CombinedLoss
from training.recmodel.backbones.metabin import BatchInstanceNorm, held_statistics
from training.recmodel.heads import HEADS
from training.recmodel.metabin import MetaBatch, MetaBinTask
from training.recmodel.model import RecModel
from training.recmodel.necks import MetaBNNeck

PLAIN = [{"CELossForMetaBIN": {"weight": 1.0, "epsilon": 0.1}}, {"TripletLossForMetaBIN": {"weight": 1.0}}]
EVERY = [*PLAIN, {"InterDomainShuffleLoss": {"weight": 0.5}}, {"IntraDomainScatterLoss": {"weight": 0.5}}]
OPTIMISERS = [
    {"Momentum": {"scope": ".*(conv|batch_norm|instance_norm|feat_bn|fc)", "lr": 0.1}},
    {"SGD": {"scope": "backbone.*gate", "lr": {"name": "Constant", "learning_rate": 0.5}}},
    {"SGD": {"scope": "RecModel", "lr": {"name": "Constant", "learning_rate": 0.25}}},
]
START = Position(0, 0, 7, 0.0)


def network() -> RecModel:
    torch.manual_seed(0)
    backbone = nn.Sequential()
    backbone.add_module("conv", nn.Conv2d(3, 5, 3, 2))
    backbone.add_module("bn", BatchInstanceNorm(5, gate_lr=2.0))
    backbone.add_module("relu", nn.ReLU())
    backbone.add_module("avg_pool", nn.AdaptiveAvgPool2d(1))
    model = RecModel(backbone, MetaBNNeck(5), HEADS.build({"name": "FC", "embedding_size": 5, "class_num": 3}))
    with torch.no_grad():
        model.backbone.bn.gate.gate.copy_(torch.tensor([1.0, 0.6, 0.5, 0.4, 0.0]))
    return model


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Pictures of three classes by four cameras, named in ``list.txt``."""
    pictures = draw_folder(tmp_path / "pictures", 3, 8, seed=0, side=16)
    paths = sorted(pictures.rglob("*.png"))
    lines = [f"{path.relative_to(pictures)} {path.parent.name[-1]} c{int(path.stem) % 4}" for path in paths]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def section(lists: Path, sampler: str) -> dict[str, object]:
    ops = [{"NormalizeImage": {"scale": "1.0/255.0", "order": "hwc"}}]
    dataset = {"name": "VeriWild", "image_root": str(lists / "pictures"), "cls_label_path": str(lists / "list.txt")}
    return {
        "dataset": {**dataset, "transform_ops": ops},
        "sampler": {"name": sampler, "batch_size": 16 if "Domain" in sampler else 6, "num_instances": 2},
        "loader": {"num_workers": 0},
    }


def task(lists: Path, **changes: object) -> MetaBinTask:
    loaders = [
        build_loader(build_dataset(one["dataset"]), one)  # type: ignore[arg-type]
        for one in (
            section(lists, "NaiveIdentityBatchSampler"),
            section(lists, str(changes.pop("sampler", "DomainShuffleBatchSampler"))),
        )
    ]
    losses = {"train": CombinedLoss(PLAIN), "mtrain": CombinedLoss(EVERY), "mtest": CombinedLoss(PLAIN)}
    given = {"optimisers": OPTIMISERS, "epochs": 1, **changes}
    return MetaBinTask(given.pop("model", network()), losses, *loaders, **given)  # type: ignore[arg-type]


def first_batch(made: MetaBinTask) -> MetaBatch:
    return next(made.batches(0, 0))


def gradients(model: nn.Module) -> dict[str, Tensor | None]:
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def test_the_network_learns_from_the_basic_batch_and_the_gates_from_the_other_half_of_the_cameras(lists: Path) -> None:
    made = task(lists)
    made.optimisations(10)
    model, batch = made.modules[MODEL], first_batch(made)
    torch.stack(list(made.losses(model, batch, START).values())).sum().backward()
    got = gradients(model)

    plain, every, again = CombinedLoss(PLAIN), CombinedLoss(EVERY), network()
    again(batch.basic.images, batch.basic.labels)  # as long as the basic batch went through: statistics agree
    basic = sum(plain(again(batch.basic.images, batch.basic.labels), batch.basic.labels).values())
    gate = again.backbone.bn.gate.gate
    expected = torch.autograd.grad(basic, [p for p in again.parameters() if p is not gate])
    names = [name for name, p in again.named_parameters() if p is not gate]
    for name, slope in zip(names, expected, strict=True):
        torch.testing.assert_close(got[name], slope, msg=name)

    domains = torch.from_numpy(build_dataset(section(lists, "x")["dataset"]).pictures.domains)  # type: ignore[arg-type]
    seen = domains[batch.meta.indices]
    chosen = np.random.default_rng([0, START.step]).permutation(4)[:2]
    half = torch.isin(seen, torch.from_numpy(chosen))

    def value(loss: nn.Module, mask: Tensor, replaced: dict[str, Tensor]) -> Tensor:
        outputs = functional_call(again, replaced, (batch.meta.images[mask], batch.meta.labels[mask]))
        total = sum(loss({**outputs, "domains": seen[mask]}, batch.meta.labels[mask]).values())
        return torch.as_tensor(total)

    with held_statistics(again):
        (inner,) = torch.autograd.grad(value(every, half, {}), [gate])
        moved = (gate - 0.5 * 0.25 * 2.0 * inner).clamp(0, 1)
        (slope,) = torch.autograd.grad(value(plain, ~half, {"backbone.bn.gate.gate": moved}), [gate])
    torch.testing.assert_close(got["backbone.bn.gate.gate"], slope)
    assert slope.any()


def test_only_the_basic_batch_is_taken_note_of_in_the_statistics(lists: Path) -> None:
    made = task(lists)
    made.optimisations(10)
    model, batch = made.modules[MODEL], first_batch(made)
    made.losses(model, batch, START)
    alone = network()
    alone(batch.basic.images, batch.basic.labels)
    for name, value in alone.named_buffers():
        torch.testing.assert_close(dict(model.named_buffers())[name], value)


def test_losses_have_the_names_of_their_parts_and_the_warm_up_has_the_basic_ones_alone(lists: Path) -> None:
    made = task(lists, warmup=8)
    made.optimisations(10)
    model, batch = made.modules[MODEL], first_batch(made)
    assert {name.split("_")[0] for name in made.losses(model, batch, START)} == {"train"}
    names = list(made.losses(model, batch, Position(0, 1, 8, 0.1)))
    assert [name.split("_")[0] for name in names] == ["train"] * 2 + ["mtrain"] * 4 + ["mtest"] * 2
    assert made.samples(batch) == 22


def test_gates_are_brought_back_within_0_and_1(lists: Path) -> None:
    made = task(lists)
    made.optimisations(10)
    model = made.modules[MODEL]
    with torch.no_grad():
        model.get_parameter("backbone.bn.gate.gate").copy_(torch.tensor([2.0, -1.0, 0.5, 0.5, 0.5]))
    made.losses(model, first_batch(made), START)
    assert model.get_parameter("backbone.bn.gate.gate").tolist() == [1.0, 0.0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": RecModel(nn.Flatten())}, "ResNet50_metabin has them"),
        ({"optimisers": OPTIMISERS[:2]}, "three optimisers"),
    ],
)
def test_what_is_missing_is_told(lists: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task(lists, **changes)


def test_pictures_without_or_of_one_camera_are_refused(lists: Path) -> None:
    text = (lists / "list.txt").read_text()
    (lists / "list.txt").write_text("".join(f"{line[:-2]}c0\n" for line in text.splitlines()))
    with pytest.raises(ValueError, match="two cameras"):
        task(lists, sampler="NaiveIdentityBatchSampler")
    (lists / "list.txt").write_text("".join(f"{line[:-3]}\n" for line in text.splitlines()))
    with pytest.raises(ValueError, match="third column"):
        task(lists)


def on_drawn_pictures(lists: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> str:
    """The command on the preset, with the list in the place of Market-1501, at 32 pixels; what it prints."""
    monkeypatch.chdir(lists)
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)
    names = {"name": "VeriWild", "image_root": "pictures", "cls_label_path": "list.txt"}
    ops = [{"ResizeImage": {"size": 32}}, {"NormalizeImage": {"scale": "1.0/255.0", "order": "hwc"}}]
    overrides = {
        "Global.device": "cpu",
        "Global.epochs": 1,
        "Global.iter_per_epoch": 2,
        "Global.warmup_iter": 1,
        "Global.eval_during_train": False,
        "Arch.Head.class_num": 3,
    }
    for place in ("Train", "Metalearning.Train"):
        overrides[f"DataLoader.{place}.dataset"] = {**names, "transform_ops": ops}
        overrides[f"DataLoader.{place}.sampler.batch_size"] = 6 if place == "Train" else 8
        overrides[f"DataLoader.{place}.sampler.num_instances"] = 2
        overrides[f"DataLoader.{place}.loader.num_workers"] = 0
    asked = [part for key, value in overrides.items() for part in ("-o", f"{key}={value}")]
    result = CliRunner().invoke(
        app, ["train", "-c", "reid/MetaBIN_ResNet50_cross_domain", "--out", "run", *asked, *more]
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_a_batch_goes_through_the_preset(lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = on_drawn_pictures(lists, monkeypatch, "--dry-run")
    assert "24 pictures of 3 classes, 2 batches an epoch" in output
    assert "train_TripletLossForMetaBIN" in output


@pytest.mark.slow
def test_the_preset_trains_by_the_command(lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps, one of them of the warm-up."""
    output = on_drawn_pictures(lists, monkeypatch)
    assert "mtest_TripletLossForMetaBIN" in output
    assert (lists / "run/latest/weights.safetensors").exists()
