import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.pictures import draw_folder
from training.data.augment import Augmentation
from training.data.pictures import folder_pictures
from training.recmodel.recipe import SHIPPED, Recipe, read_recipe
from training.recmodel.shipped import ShippedExtractor, mixed
from training.recmodel.train import rate_factor, train

TINY = Recipe(steps=4, size=32, dim=16, classes_per_batch=3, pictures_per_class=2, retained_per_batch=2)


WHOLE = TINY.model_copy(
    update={"copies": True, "frozen_blocks": 2, "augmentation": Augmentation(cut_out_share=0.5, zoom_share=0.5)}
)


@pytest.mark.parametrize("recipe", [TINY, WHOLE])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, recipe: Recipe) -> None:
    labelled = folder_pictures(draw_folder(tmp_path / "things", 3, 2, seed=0))
    others = folder_pictures(draw_folder(tmp_path / "others", 1, 2, seed=1))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(labelled, others, recipe, whole)
    train(labelled, others, recipe, parts, stop_after=2)
    assert not (parts / "tuned.safetensors").exists()
    train(labelled, others, recipe, parts)
    start, ours, resumed = (
        load_file(path)
        for path in (whole / "start.safetensors", whole / "tuned.safetensors", parts / "tuned.safetensors")
    )
    assert all(torch.equal(ours[name], resumed[name]) for name in ours)
    assert any(not torch.equal(ours[name], start[name]) for name in ours)
    kept = [name for name in ours if "running" in name]
    kept += [name for name in ours if recipe.frozen_blocks and re.match(r"backbone\.(stem|blocks\.[01]\.)", name)]
    assert all(torch.equal(ours[name], start[name]) for name in kept)
    assert not torch.equal(ours["backbone.blocks.2.depthwise.0.weight"], start["backbone.blocks.2.depthwise.0.weight"])


def test_a_run_refuses_another_recipe_and_too_few_labels(tmp_path: Path) -> None:
    labelled = folder_pictures(draw_folder(tmp_path / "things", 2, 1, seed=0))
    with pytest.raises(ValueError, match="fewer"):
        train(labelled, labelled, TINY, tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.yaml").write_text("steps: 9\n", encoding="utf-8")
    with pytest.raises(ValueError, match="recipe"):
        train(labelled, labelled, TINY.model_copy(update={"classes_per_batch": 2}), tmp_path / "run")


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    recipe = Recipe(steps=100, warmup_share=0.1)
    factors = [rate_factor(step, recipe) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == pytest.approx(1)
    assert factors[100] == pytest.approx(0, abs=1e-9)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_mixed_weights_lie_between_start_and_tuned() -> None:
    start, tuned = {"w": torch.zeros(2), "n": torch.tensor(3)}, {"w": torch.ones(2), "n": torch.tensor(3)}
    half = mixed(start, tuned, 0.25)
    assert half["w"].tolist() == [0.25, 0.25]
    assert int(half["n"]) == 3


def test_the_network_gives_unit_embeddings_and_never_changes_its_statistics() -> None:
    model = ShippedExtractor(dim=8).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    embeddings = model(torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8))
    assert not model.backbone.head[1].training
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


def test_the_shipped_recipe_is_readable_and_unknown_keys_are_refused(tmp_path: Path) -> None:
    assert read_recipe(SHIPPED).steps > 0
    (tmp_path / "odd.yaml").write_text("epochs: 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="epochs"):
        read_recipe(tmp_path / "odd.yaml")
