from pathlib import Path

import pytest
from click.testing import Result
from safetensors.torch import load_file
from typer.testing import CliRunner

from kenspeckle.bundle import read_bundle, verify_bundle
from kenspeckle.cli import app as kenspeckle
from tests.training.pictures import draw_folder
from training.cli import app
from training.data.pictures import Picture, folder_of, folder_pictures
from training.engine.checkpoint import load_weights
from training.engine.run import CONFIG
from training.recmodel.folder import classes_by_use, fitted, folder_classes
from training.recmodel.recipe import SHIPPED, Recipe, read_recipe

SMALL = "{steps: 2, size: 32, dim: 16, classes_per_batch: 3, retained_per_batch: 2, augmentation: {cut_out_share: 0.5}}"


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where ``small.yaml`` is; drawing curves is tested elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)
    Path("small.yaml").write_text(SMALL, encoding="utf-8")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def tune(*arguments: str) -> Result:
    return run("tune", *arguments, "--recipe", "small.yaml", "--workers", "0")


def said(result: Result) -> str:
    return " ".join(result.output.split())


def read_list(path: str) -> list[list[str]]:
    return [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_a_folder_and_one_of_other_things_give_a_bundle_that_all_classes_trained() -> None:
    draw_folder(Path("shop"), 3, 4, seed=0, side=40)
    draw_folder(Path("others"), 4, 4, seed=1, side=40)
    result = tune("--data", "shop", "--others", "others", "--out", "mine")
    assert result.exit_code == 0, result.output
    bundle = read_bundle(Path("mine/bundle"))
    verify_bundle(bundle)
    assert bundle.card.output.dim == 16
    assert {label for _, label in read_list("mine/train.txt")} == {"thing-0", "thing-1", "thing-2"}


def test_a_folder_alone_gives_a_bundle_calibrated_on_classes_that_trained_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.data.select.LEAST_COHORT", 12)
    draw_folder(Path("shop"), 12, 4, seed=0, side=32)
    result = tune("--data", "shop", "--out", "mine")
    assert result.exit_code == 0, result.output
    assert "of 3 classes that trained nothing: recall@1" in said(result)
    labels = {
        name: {label for _, label in read_list(f"mine/{name}.txt")} for name in ("train", "calibration", "others")
    }
    assert [len(part) for part in labels.values()] == [6, 3, 3]
    assert len(set().union(*labels.values())) == 12
    assert load_file("mine/classes.safetensors")["weight"].shape == (6, 16)  # what was trained on
    verified = CliRunner().invoke(kenspeckle, ["model", "verify", "mine/bundle"])
    assert verified.exit_code == 0, verified.output
    card = read_bundle(Path("mine/bundle")).card
    assert card.calibration is not None
    assert card.calibration.cohort_size == 6
    assert "6 of 12 classes of shop trained nothing" in card.limits[0]
    assert [one.metric for one in card.evaluation] == ["this bundle: recall@1", "this bundle: mAP"]
    exported = run("export", "--run", "mine", "--out", "again")
    assert exported.exit_code == 0, exported.output
    assert read_bundle(Path("again")).card.calibration == card.calibration


def test_the_same_command_goes_on_with_a_run_and_refuses_other_pictures() -> None:
    draw_folder(Path("shop"), 3, 4, seed=0, side=40)
    draw_folder(Path("others"), 4, 4, seed=1, side=40)
    given = ("--data", "shop", "--others", "others", "--out", "mine")
    assert tune(*given).exit_code == 0
    before = load_weights(Path("mine/latest"))
    assert tune(*given).exit_code == 0
    assert all(value.equal(before[name]) for name, value in load_weights(Path("mine/latest")).items())
    Path("shop/thing-0/3.png").unlink()
    result = tune(*given)
    assert result.exit_code == 2
    assert "begun with other pictures" in said(result)


def test_a_folder_with_too_few_classes_says_what_a_bundle_takes() -> None:
    draw_folder(Path("shop"), 3, 4, seed=0, side=40)
    result = tune("--data", "shop", "--out", "mine")
    assert result.exit_code == 0, result.output
    assert "there will be no bundle: 3 classes with 12 pictures are too few" in said(result)
    assert "Give --others" in said(result)
    assert "python -m training export --run mine --data shop --others" in said(result)
    assert classes_by_use(Path("mine")) is None


def test_a_folder_without_a_recipe_gets_one_that_fits_it() -> None:
    recipe = read_recipe(SHIPPED)
    few = [Picture(Path(f"{label}/{number}.jpg"), str(label)) for label in range(3) for number in range(5)]
    assert (fitted(recipe, few).classes_per_batch, fitted(recipe, few).steps) == (3, 100)
    many = [Picture(Path(f"{label}/{number}.jpg"), str(label)) for label in range(100) for number in range(40)]
    assert (fitted(recipe, many).classes_per_batch, fitted(recipe, many).steps) == (14, 1000)
    assert fitted(recipe, many).size == recipe.size


@pytest.mark.parametrize(("given", "steps"), [((), 100), (("--recipe", "small.yaml"), 2)])
def test_a_recipe_that_is_given_is_left_as_it_is(
    given: tuple[str, ...], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Recipe] = []
    monkeypatch.setattr("training.recmodel.cli.tune_with_bar", lambda *arguments: used.append(arguments[2]))
    draw_folder(Path("shop"), 3, 4, seed=0, side=8)
    assert run("tune", "--data", "shop", "--out", "mine", *given).exit_code == 0
    assert [(recipe.steps, recipe.classes_per_batch) for recipe in used] == [(steps, 3)]


def test_lists_name_the_folder_wherever_the_command_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.select.LEAST_COHORT", 12)
    draw_folder(Path("shop"), 12, 4, seed=0, side=8)
    folder_classes(Path("shop"), Path("mine"), leave_out=True)
    found = classes_by_use(Path("mine"))
    assert found is not None
    assert folder_of(found.training) == Path("shop").absolute()
    every = [p.path for part in (found.training, found.calibration, found.others) for p in part]
    assert sorted(every) == sorted(p.path.absolute() for p in folder_pictures(Path("shop")))


def test_one_class_teaches_nothing() -> None:
    draw_folder(Path("shop"), 1, 2, seed=0)
    result = tune("--data", "shop", "--out", "mine")
    assert result.exit_code == 2
    assert "pictures of one class teach nothing" in said(result)
    assert not Path("mine", CONFIG).exists()
