import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.pictures import draw_folder
from training.data.augment import Augmentation
from training.data.pictures import folder_pictures
from training.engine.checkpoint import load_checkpoint, load_weights
from training.engine.loop import Trainer
from training.engine.run import read_log
from training.recmodel.recipe import SHIPPED, Recipe, read_recipe
from training.recmodel.tune import loop_settings, open_run, retention_task, tune

TINY = Recipe(steps=4, size=32, dim=16, classes_per_batch=3, pictures_per_class=2, retained_per_batch=2)
WHOLE = TINY.model_copy(
    update={"copies": True, "frozen_blocks": 2, "augmentation": Augmentation(cut_out_share=0.5, zoom_share=0.5)}
)


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is tested with the run folder."""
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)


class CutOff(Exception):
    pass


@pytest.mark.parametrize("recipe", [TINY, WHOLE])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, recipe: Recipe) -> None:
    labelled = folder_pictures(draw_folder(tmp_path / "things", 3, 2, seed=0))
    others = folder_pictures(draw_folder(tmp_path / "others", 1, 2, seed=1))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    tune(labelled, others, recipe, whole)

    def cut(kind: str, record: dict[str, object]) -> None:
        if record["batch"] == 3:
            raise CutOff

    often = loop_settings(recipe).model_copy(update={"save_steps": 1, "log_steps": 1})
    task = retention_task(labelled, others, recipe, open_run(parts, recipe).folder)
    with pytest.raises(CutOff):
        Trainer(task, often, open_run(parts, recipe), report=cut).train()
    assert load_checkpoint(parts / "latest").state["progress"]["step"] == 2
    tune(labelled, others, recipe, parts)
    one, two = load_checkpoint(whole / "latest"), load_checkpoint(parts / "latest")
    assert all(torch.equal(value, two.weights[name]) for name, value in one.weights.items())
    start, ours, resumed = load_file(whole / "start.safetensors"), load_weights(whole / "latest"), two.averaged
    assert resumed is not None
    assert ours.keys() == start.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in ours.items())
    kept = [name for name in ours if "running" in name]
    kept += [name for name in ours if recipe.frozen_blocks and re.match(r"backbone\.(stem|blocks\.[01]\.)", name)]
    assert all(torch.equal(ours[name], start[name]) for name in kept)
    assert not torch.equal(ours["backbone.blocks.2.depthwise.0.weight"], start["backbone.blocks.2.depthwise.0.weight"])
    (record,) = read_log(whole / "log.jsonl")
    assert {"softmax", "contrastive", "retention", "lr", "lr_1", "lr_2", "input_wait_share"} <= record.keys()


def test_a_run_refuses_another_recipe_and_too_few_pictures(tmp_path: Path) -> None:
    labelled = folder_pictures(draw_folder(tmp_path / "things", 2, 1, seed=0))
    with pytest.raises(ValueError, match=r"2 labels are fewer than the 3 .*classes_per_batch"):
        tune(labelled, labelled, TINY, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="no pictures to retain"):
        tune(labelled, [], TINY.model_copy(update={"classes_per_batch": 2}), tmp_path / "run")
    two = TINY.model_copy(update={"classes_per_batch": 2})
    open_run(tmp_path / "run", two)
    with pytest.raises(ValueError, match=r"another configuration .*differs in steps"):
        tune(labelled, labelled, two.model_copy(update={"steps": 9}), tmp_path / "run")


def test_the_shipped_recipe_is_readable_and_unknown_keys_are_refused(tmp_path: Path) -> None:
    assert read_recipe(SHIPPED).steps > 0
    (tmp_path / "odd.yaml").write_text("epochs: 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="epochs"):
        read_recipe(tmp_path / "odd.yaml")
