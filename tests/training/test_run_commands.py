"""A trained run through the commands that measure and export it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from kenspeckle.bundle import read_bundle, verify_bundle
from tests.training.pictures import draw_folder
from tests.training.recmodel.fixture_run import CONFIG, lay_out
from training.cli import app
from training.config.schema import load_config
from training.data.build import build_dataset
from training.data.pictures import folder_pictures
from training.evaluation.embed import bundle_embedder
from training.recmodel.session import load_run, train_config


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, the configuration ``tiny.yaml`` and its run ``run`` of two epochs."""
    folder = lay_out(tmp_path_factory.mktemp("run"))
    (folder / "tiny.yaml").write_text(CONFIG.read_text(encoding="utf-8"), encoding="utf-8")
    draw_folder(folder / "others", 4, 4, seed=1, side=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("training.engine.run.draw_curves", lambda records, path: None)
        train_config(load_config(CONFIG, [])[0])
    return folder


@pytest.fixture(autouse=True)
def there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def run_command(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def logged() -> dict[str, float]:
    """The figures of the best checkpoint, as training logged them."""
    records = [json.loads(line) for line in Path("run/log.jsonl").read_text(encoding="utf-8").splitlines()]
    figures = [record for record in records if record["kind"] == "eval"]
    return max(figures, key=lambda record: record["recall@1"])


def test_eval_prints_the_figures_that_training_logged() -> None:
    line = run_command("eval", "--run", "run").strip().splitlines()[-1]
    expected = ", ".join(f"{name}: {logged()[name]:.5f}" for name in ("recall@1", "recall@5", "mAP"))
    assert line == f"[Eval][Epoch 0][Avg]{expected}"
    weights = "Global.pretrained_model=run/best_model"
    assert run_command("eval", "-c", "tiny.yaml", "-o", weights).strip().splitlines()[-1] == line
    old = "Global.pretrained_model=run/RecModel/best_model"
    assert run_command("eval", "-c", "tiny.yaml", "-o", old).strip().splitlines()[-1] == line


def test_evaluate_and_infer_use_the_runs_own_transforms(tmp_path: Path) -> None:
    shown = run_command("evaluate", "--run", "run", "--data", "pictures")
    assert "15 queries, 15 gallery entries" in shown
    assert f"{logged()['mAP']:.4f}" in shown
    run_command("infer", "--run", "run", "--images", "pictures", "--out", str(tmp_path))
    model, settings = load_run(Path("run"))
    assert settings.DataLoader.Eval is not None
    dataset = build_dataset(settings.DataLoader.Eval.sources()[0].dataset)
    with torch.inference_mode():
        expected = F.normalize(model(torch.stack([dataset[i]["image"] for i in range(15)]))["features"])
    names = [str(picture.path.relative_to("pictures")) for picture in dataset.pictures.pictures]
    with (tmp_path / "pictures.csv").open(newline="") as file:
        rows = {row["path"]: int(row["row"]) for row in csv.DictReader(file)}
    with np.load(tmp_path / "embeddings.npz", allow_pickle=False) as archive:
        got = archive["embeddings"][[rows[name] for name in names]]
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-5)


def test_export_makes_a_bundle_of_a_run_or_of_a_configuration(tmp_path: Path) -> None:
    sources = ["--data", "pictures", "--others", "others"]
    run_command("export", "--run", "run", "--out", str(tmp_path / "one"), "--int8", *sources)
    weights = "Global.pretrained_model=run/best_model"
    run_command("export", "-c", "tiny.yaml", "-o", weights, "--out", str(tmp_path / "two"), *sources)
    one, two = read_bundle(tmp_path / "one"), read_bundle(tmp_path / "two")
    verify_bundle(one, variant="model.int8.onnx")
    measured = one.card.models["model.int8.onnx"].measured[0].command
    assert (
        measured == f"python -m training export --run run --data pictures --others others --out {tmp_path}/one --int8"
    )
    assert one.contents["model.onnx"] == two.contents["model.onnx"]
    assert (one.card.input.width, one.card.output.model_dump()["dim"]) == (32, 8)
    assert b"PPLCNet_x0_25" in one.contents["recipe.yaml"]
    vectors = bundle_embedder(one)(folder_pictures(Path("pictures"))).vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["eval"], "--run"),
        (["eval", "-c", "tiny.yaml"], "pretrained_model"),
        (["eval", "--run", "others"], "no checkpoint"),
        (["evaluate", "--data", "pictures"], "--bundle or --run"),
        (["export", "--out", "x", "--run", "run", "--mix", "0.5", "--data", "pictures", "--others", "others"], "tune"),
    ],
)
def test_what_is_missing_is_told_without_a_traceback(arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert reason in "".join(result.output.split("│")).replace("\n", "").replace("  ", " ")
