import json

import pytest
import yaml

from tests.training.picodet.drawn import TINY, recipe
from training.picodet.cli import RECIPE as SHIPPED
from training.picodet.data import DataError
from training.picodet.presets import MAINBODY, PRESETS
from training.picodet.recipe import make_recipe, merged, read_recipe, training_pictures


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"input_size": "big"}, "input_size"),
        ({"colour": 1}, "colour"),
        ({"train": {"stepz": 3}}, "stepz"),
        ({"train": {"loop": {"epochs": 0}}}, "epochs"),
        ({"model": {"chanels": 3}}, "chanels"),
        ({"model": {"strides": [4, 8]}}, r"strides \[4, 8\]"),
        ({"augment": {"mosaic": 2}}, "mosaic"),
        ({"preset": "picodet_xs_321"}, "picodet_xs_321.*picodet_xs_320"),
        ({"classes": ["a", "b"]}, "classes"),
        ({"categories": {"x": "y"}}, "'y' is none of the classes mainbody"),
        ({"classes": ["a", "b"], "model": {"classes": 2}}, "categories"),
    ],
)
def test_a_recipe_with_a_wrong_field_is_refused_by_its_name(tmp_path, change, reason):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(merged(TINY, change)))
    with pytest.raises(DataError, match=f"recipe.yaml.*{reason}"):
        read_recipe(path)


@pytest.mark.parametrize("text", ["{", "- 1", "!!python/object/apply:os.getcwd []"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(DataError, match=r"recipe\.yaml"):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_preset_fills_what_a_recipe_leaves_open():
    made = make_recipe({"name": "x", "preset": "picodet_mainbody_640", "train": {"batch": 8}}, "x")
    assert made.model == MAINBODY
    assert made.input_size == 640
    assert made.train.sizes == (576, 608, 640, 672, 704)
    assert made.train.batch == 8
    assert made.train.reference_batch == 4 * 56
    assert made.train.optimizer["lr"]["learning_rate"] == 0.4
    assert (made.train.loop.epochs, made.train.loop.ema_cycle) == (100, 20)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_recipe(name):
    assert make_recipe({"name": "x", "preset": name}, "x").model == PRESETS[name].model


def test_a_recipe_without_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="toy: no pictures"):
        training_pictures(recipe(), tmp_path)


@pytest.mark.parametrize("path", sorted(SHIPPED.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_readable(path):
    assert read_recipe(path).train.loop.epochs > 0


@pytest.mark.parametrize("path", sorted(SHIPPED.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_in_the_package_is_read(path):
    assert read_recipe(path).name == path.stem


def test_a_file_may_be_cut_short_and_empty_pictures_left_out(tmp_path):
    images = [{"id": n, "file_name": f"{n}.png", "width": 50, "height": 50} for n in range(4)]
    annotations = [{"id": n, "image_id": n, "bbox": [1, 1, 20, 20]} for n in (0, 2, 3)]
    (tmp_path / "boxes.json").write_text(json.dumps({"images": images, "annotations": annotations}))

    def names(**options):
        found = training_pictures(recipe(coco=[{"annotations": "boxes.json", **options}]), tmp_path)
        return [picture.path.stem for picture in found]

    assert names() == ["0", "1", "2", "3"]
    assert names(sample_num=3) == ["0", "1", "2"]
    assert names(sample_num=3, allow_empty=False) == ["0", "2"]
