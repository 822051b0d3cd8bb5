"""Presets on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.training.pictures import draw_folder
from training.cli import app
from training.recmodel.session import load_run

SMALL = {
    "Global.epochs": 1,
    "Global.iter_per_epoch": 1,
    "Global.device": "cpu",
    "Global.eval_during_train": False,
    "DataLoader.Train.loader.num_workers": 0,
    "DataLoader.Train.sampler.batch_size": 4,
    "DataLoader.Train.dataset.transform_ops.1.RandCropImage.size": 32,
}


def train(*arguments: str, **overrides: object) -> str:
    given = [part for key, value in {**SMALL, **overrides}.items() for part in ("-o", f"{key}={value}")]
    result = CliRunner().invoke(app, ["train", *arguments, *given])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the lists of Stanford Online Products name drawn pictures of three classes."""
    root = tmp_path / "dataset/Stanford_Online_Products"
    pictures = draw_folder(root / "shop_final", 3, 4, seed=0)
    lines = [
        f"{number} {int(path.parent.name[-1]) + 1} 1 {path.relative_to(root)}"
        for number, path in enumerate(sorted(pictures.rglob("*.png")), 1)
    ]
    for name in ("Ebay_train.txt", "Ebay_test.txt"):
        (root / name).write_text("\n".join(["image_id class_id super_class_id path", *lines]) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [("arcmargin", "eml"), ("softmax", "triplet"), ("softmax", "quadruplet"), ("arcmargin", "npairs")],
)
def test_the_two_phases_of_2018_follow_each_other(products: Path, first: str, second: str) -> None:
    classes = {"Arch.Backbone.pretrained": False, "Arch.Head.class_num": 3}
    train("-c", f"metric_learning_2018/{first}", "--out", "classes", **classes)
    train("-c", f"metric_learning_2018/{second}", "--out", "pairs", **{"Global.pretrained_model": "classes/latest"})
    model, config = load_run(Path("pairs"))
    assert str(config.Global.pretrained_model) == "classes/latest"
    assert model.head is None
    start, _ = load_run(Path("classes"))
    moved = (model.backbone.stem[0].conv.weight - start.backbone.stem[0].conv.weight).abs().max()
    assert 0 < moved < 0.1


def test_an_old_command_line_is_understood() -> None:
    written = "./ppcls/configs/quick_start/MobileNetV1_retrieval.yaml"
    result = CliRunner().invoke(app, ["train", "-c", written, "--print-config"])
    assert result.exit_code == 0
    assert "name: MobileNetV1" in result.output


def test_a_preset_that_is_not_there_is_answered_with_the_near_ones() -> None:
    result = CliRunner().invoke(app, ["train", "-c", "Vehicle/ResNet50_ReId"])
    assert result.exit_code == 2
    assert "Vehicle/ResNet50_ReID" in result.output
