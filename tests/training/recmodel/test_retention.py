import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.training.pictures import draw_folder
from training.data.pictures import Picture, folder_pictures
from training.engine.loop import Trainer
from training.recmodel.recipe import Recipe
from training.recmodel.retention import RetentionTask, rate
from training.recmodel.retention_batches import Material
from training.recmodel.shipped import ShippedExtractor
from training.recmodel.start import Start
from training.recmodel.tune import loop_settings

SMALL = Recipe(steps=5, size=32, dim=8, classes_per_batch=3, retained_per_batch=3, frozen_blocks=12, warmup_share=0.4)


@pytest.fixture(scope="module")
def start() -> Start:
    torch.manual_seed(0)
    return Start(ShippedExtractor(8, pretrained=True).state_dict(), F.normalize(torch.randn(4, 8)))


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    root = tmp_path_factory.mktemp("pictures")
    labelled = folder_pictures(draw_folder(root / "things", 4, 3, seed=0))
    others = folder_pictures(draw_folder(root / "others", 2, 3, seed=1))
    groups = {label: [p for p in labelled if p.label == label] for label in sorted({p.label for p in labelled})}
    rng = np.random.default_rng(0)
    taught: dict[Picture, np.ndarray] = {p: rng.normal(size=6).astype(np.float32) for p in [*labelled, *others]}
    return Material(groups, others, {}, taught)


def by_hand(recipe: Recipe, start: Start, material: Material) -> dict[str, torch.Tensor]:
    """The averaged weights of the same run, step by step and with the formulas written out."""
    model, frozen = ShippedExtractor(recipe.dim), ShippedExtractor(recipe.dim)
    model.load_state_dict(start.weights)
    frozen.load_state_dict(start.weights)
    directions = nn.Parameter(start.classes.clone())
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(("backbone.stem", *(f"backbone.blocks.{i}." for i in range(12)))))
    top = [recipe.trunk_rate, recipe.neck_rate, recipe.head_rate]
    parts = ([p for p in model.backbone.parameters() if p.requires_grad], model.neck.parameters(), [directions])
    optimiser = torch.optim.AdamW([{"params": list(part)} for part in parts], weight_decay=recipe.weight_decay)
    average = {name: value.clone() for name, value in start.weights.items()}
    for step in range(5):
        batch = material.batch(recipe, step)
        numbers, copies = batch.labels, 3 if recipe.copies else 0
        x = (batch.views.permute(0, 3, 1, 2).float() - 127) / 128
        f = F.normalize(model.backbone(x))
        e, before = F.normalize(f @ model.neck.fc.weight.T + model.neck.fc.bias), F.normalize(frozen.backbone(x[6:9]))
        angle = torch.acos(e[:6] @ F.normalize(directions).T)
        margin = recipe.margin * min(1, 3 * step / 5) * F.one_hot(numbers, 4)
        losses = F.cross_entropy(recipe.scale * torch.cos(angle + margin), numbers, label_smoothing=recipe.smoothing)
        alone = torch.arange(10, 13)
        kinds = torch.cat([numbers, alone, alone]) if recipe.copies else numbers
        logits = (e @ e.T / recipe.temperature)[: len(kinds), : len(kinds)]
        shares = logits - torch.log(torch.exp(logits).sum(1) - torch.exp(logits.diagonal()))[:, None]
        partner = (kinds[:, None] == kinds[None]).float() - torch.eye(len(kinds))
        losses = losses - recipe.contrastive_weight * ((shares * partner).sum(1) / partner.sum(1)).mean()
        losses = losses + recipe.retention_cosine * (1 - (f[6:9] * before).sum(1)).mean()
        losses = losses + recipe.retention_relation * (f[6:9] @ f[6:9].T - before @ before.T).square().mean()
        target = F.normalize(batch.target)
        losses = losses + recipe.distillation * (e @ e.T - target @ target.T).square().mean()
        assert len(e) == 9 + copies
        optimiser.zero_grad()
        losses.backward()
        for group, rate_at_top in zip(optimiser.param_groups, top, strict=True):  # 2 steps up, 3 steps down
            group["lr"] = rate_at_top * [0.5, 1, 1, 0.75, 0.25][step]
        optimiser.step()
        for name, value in model.state_dict().items():
            average[name] = average[name] + (1 - recipe.ema) * (value - average[name])
    return average


@pytest.mark.parametrize("changes", [{"distillation": 2.0}, {"copies": True, "distillation": 1.0}])
def test_the_loop_takes_the_steps_that_the_formulas_say(
    start: Start, material: Material, changes: dict[str, object]
) -> None:
    recipe = SMALL.model_copy(update=changes)
    trainer = Trainer(RetentionTask(recipe, start, material), loop_settings(recipe))
    trainer.train()
    ours, expected = trainer.network.state_dict(), by_hand(recipe, start, material)
    moved = {name: ours[name] - value for name, value in start.weights.items() if value.is_floating_point()}
    assert sum(bool(move.any()) for move in moved.values()) > 30
    for name, move in moved.items():
        difference = (move - (expected[name] - start.weights[name])).norm()
        assert difference <= 0.01 * move.norm() + 1e-7, name  # AdamW makes much of rounding where gradients are small


def test_a_batch_follows_from_seed_and_step_alone(material: Material) -> None:
    recipe = SMALL.model_copy(update={"copies": True})
    one, same, other = (material.batch(recipe, step) for step in (3, 3, 4))
    assert torch.equal(one.views, same.views)
    assert not torch.equal(one.views, other.views)
    assert one.labels.reshape(3, 2).unique().shape == (3,)
    assert one.labels[::2].tolist() == one.labels[1::2].tolist()
    assert one.views.shape == (6 + 3 + 3, 32, 32, 3)
    assert not torch.equal(one.views[6:9], one.views[9:])
    assert one.target is not None
    assert torch.equal(one.target[6:9], one.target[9:])


def test_worker_processes_make_the_same_batches(start: Start, material: Material) -> None:
    alone, helped = (RetentionTask(SMALL, start, material, workers).batches(0, 2) for workers in (0, 2))
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.views, other.views)
        assert torch.equal(one.labels, other.labels)


def test_without_pictures_to_retain_nothing_is_retained(start: Start, material: Material) -> None:
    recipe = SMALL.model_copy(update={"steps": 1, "retained_per_batch": 0})
    records = []
    bare = Material(material.groups, [], {}, {})
    task = RetentionTask(recipe, start, bare)
    Trainer(task, loop_settings(recipe), report=lambda kind, record: records.append(record)).train()
    assert {"softmax", "contrastive"} <= records[0].keys()
    assert not {"retention", "distillation"} & records[0].keys()


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    recipe = Recipe(steps=100, warmup_share=0.1)
    rates = [rate(recipe, 0.2, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.02)
    assert max(rates) == rates[9] == pytest.approx(0.2)
    assert rates[55] == pytest.approx(0.1 * (1 + math.cos(math.pi / 2)))
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert rates[10:] == sorted(rates[10:], reverse=True)
