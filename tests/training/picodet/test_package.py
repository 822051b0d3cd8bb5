import json

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from kenspeckle.bundle import BundleError, Measurement, read_bundle, verify_bundle
from training.picodet.cli import app
from training.picodet.data import DataError
from training.picodet.package import evaluation_table, readme, with_evaluation
from training.picodet.recipe import read_recipe, training_pictures

RECIPE = {
    "name": "toy",
    "version": "0.0.1",
    "input_size": 192,
    "note": "Made for a test.",
    "limits": ["Knows nothing."],
    "coco": [{"annotations": "boxes.json"}],
    "model": {"backbone": {"name": "LCNet", "scale": 0.35}, "channels": 32, "tower_depth": 1},
    "train": {"batch": 2, "batches_per_epoch": 2, "sizes": [64], "loop": {"epochs": 1}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).save(root / "a.png")
    image = {"id": 1, "file_name": "a.png", "width": 80, "height": 60, "source": "Cups by A", "license": "CC BY 4.0"}
    boxes = {"images": [image], "annotations": [{"id": 1, "image_id": 1, "bbox": [10, 10, 40, 30]}]}
    (root / "boxes.json").write_text(json.dumps(boxes))
    (root / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return root


@pytest.fixture(scope="module")
def bundle_path(folder):
    common = ["--recipe", str(folder / "recipe.yaml"), "--data", str(folder)]
    run, out = folder / "run", folder / "bundle"
    for arguments in (["picodet", "--out", str(run)], ["export-picodet", "--run", str(run), "--out", str(out)]):
        result = CliRunner().invoke(app, [*arguments, *common], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    return out


def test_two_commands_make_a_bundle_that_verifies(bundle_path):
    bundle = read_bundle(bundle_path)
    verify_bundle(bundle)
    card = bundle.card
    assert (card.kind, card.name, card.input.width) == ("detector", "toy", 192)
    assert card.training.data == [{"name": "Cups by A", "licence": "CC BY 4.0", "count": 1}]
    assert card.input.interpolation == "halved-bilinear"
    assert card.parity.value < 0.01
    assert "Cups by A: CC BY 4.0" in bundle.contents["LICENSE"].decode()
    text = bundle.contents["README.md"].decode()
    assert "2 steps of 2 pictures" in text
    assert "Made for a test." in text
    assert "- Knows nothing." in text


def test_a_bundle_can_be_trained_on(bundle_path, folder, tmp_path):
    content = yaml.safe_load((bundle_path / "recipe.yaml").read_text())
    content["train"]["init"] = str(bundle_path / "checkpoint.safetensors")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    arguments = ["picodet", "--recipe", str(tmp_path / "recipe.yaml"), "--data", str(folder)]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "again")], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_an_evaluation_is_added_without_changing_the_function(bundle_path):
    before = read_bundle(bundle_path)
    figure = Measurement(metric="recall", data="cups", value=0.5, interval=(0.4, 0.6), command="run it")
    after = with_evaluation(before, [figure])
    assert after.card.fingerprint == before.card.fingerprint
    assert after.card.evaluation == [figure]
    assert "| cups | 0.500 [0.40, 0.60] |" in readme(after.card)


def test_a_changed_graph_is_noticed(bundle_path, tmp_path):
    for entry in bundle_path.iterdir():
        (tmp_path / entry.name).write_bytes(entry.read_bytes())
    (tmp_path / "model.onnx").write_bytes((tmp_path / "model.onnx").read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        read_bundle(tmp_path)


def test_the_table_leaves_gaps_where_nothing_was_measured():
    rows = [
        {"metric": "recall", "data": "cups", "value": 0.25, "interval": (0.1, 0.5), "command": "c"},
        {"metric": "ms", "data": "all", "value": 12.34, "interval": None, "command": "c"},
    ]
    assert evaluation_table(rows)[2:4] == ["| cups | 0.250 [0.10, 0.50] |  |", "| all |  | 12.3 |"]
    assert evaluation_table([]) == ["Not evaluated yet."]


def test_pseudo_boxes_join_the_training_pictures(folder, tmp_path):
    recipe = read_recipe(folder / "recipe.yaml")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/train.txt").write_text("x.png\tapple\n")
    (tmp_path / "shop/boxes.json").write_text('{"images": {"x.png": {"boxes": [[0, 0, 5, 5]], "scores": [0.9]}}}')
    part = {"boxes": "shop/boxes.json", "root": "shop", "lists": ["train.txt"], "source": "shop"}
    content = RECIPE | {"coco": [], "pseudo_boxes": [part | {"credit": "Shop", "licence": "MIT"}]}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    (picture,) = training_pictures(read_recipe(tmp_path / "recipe.yaml"), tmp_path)
    assert (picture.path, picture.source) == (tmp_path / "shop/x.png", "shop")
    with pytest.raises(DataError, match=r"train\.txt"):
        training_pictures(recipe.model_copy(update={"coco": (), "pseudo_boxes": (_part(part),)}), folder)


def _part(fields):
    from training.picodet.recipe import PseudoBoxes

    return PseudoBoxes(**fields, credit="Shop", licence="MIT")
