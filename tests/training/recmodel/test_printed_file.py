"""The file printed in the guide to feature learning, on pictures laid out as VeRI-Wild."""

from pathlib import Path

import pytest
from safetensors.torch import save_file
from typer.testing import CliRunner

from tests.training.pictures import draw_folder
from training.cli import app
from training.recmodel.backbones import BACKBONES
from training.recmodel.weights import FOLDER_VARIABLE

PRINTED = Path(__file__).parents[1] / "config/feature_learning.yaml"
AGREED = "Arch.Head.class_num=30671"
SMALLER = ("Global.device=cpu", "DataLoader.Train.dataset.transform_ops.0.ResizeImage.size=64")


@pytest.fixture(autouse=True)
def there(tmp_path, monkeypatch):
    """Three vehicles of two cameras; the last has the largest identity of the real list."""
    pictures = draw_folder(tmp_path / "dataset/VeRI-Wild/images", 3, 3, seed=0)
    lines = []
    for number, identity in enumerate((4, 17, 30670)):
        lines += [f"thing-{number}/{i}.png {identity} {i % 2}" for i in range(3)]
    listing = pictures.parent / "train_test_split/train_list_start0.txt"
    listing.parent.mkdir()
    listing.write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)


def train(*arguments):
    return CliRunner().invoke(app, ["train", "-c", str(PRINTED), *arguments])


def overridden(*overrides):
    return [part for override in overrides for part in ("-o", override)]


def test_as_printed_it_says_which_numbers_disagree():
    output = " ".join(train().output.split())
    assert "Global.class_num is 30671" in output
    assert "Arch.Head.class_num is 431" in output


def test_with_431_everywhere_the_training_list_disagrees():
    output = " ".join(train(*overridden("Global.class_num=431", "Arch.Backbone.pretrained=False")).output.split())
    assert "the training list needs 30671 classes" in output


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The folder of start weights with a file for ResNet50."""
    folder = tmp_path / "weights"
    folder.mkdir()
    save_file(BACKBONES.build({"name": "ResNet50"}).state_dict(), folder / "ResNet50_pretrained.safetensors")
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))


def test_without_weights_it_says_what_to_download_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    output = "".join(train(*overridden(AGREED), "--dry-run").output.replace("│", "").split())
    assert "legendary_models/ResNet50_pretrained.pdparams" in output
    assert f"into{tmp_path}/weights" in output
    assert "-oArch.Backbone.pretrained=False" in output


@pytest.mark.usefixtures("weights")
def test_unedited_but_for_its_class_numbers_a_batch_goes_through_network_and_losses():
    result = train(*overridden(AGREED), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "9 pictures of 3 classes" in result.output
    assert "(6, 3, 224, 224)" in result.output
    assert "CELoss" in result.output
    assert "SupConLoss" in result.output


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_it_trains():
    """Unedited but for the class numbers, the length of the run and the size of the pictures."""
    result = train(*overridden(AGREED, "Global.epochs=1", *SMALLER))
    assert result.exit_code == 0, result.output
    assert "1 epochs" in result.output
    assert "nothing is measured" in result.output or Path("output/latest").is_dir()
