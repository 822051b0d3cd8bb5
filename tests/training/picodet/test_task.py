import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kenspeckle.geometry import box_iou
from tests.training.picodet.drawn import draw_pictures, recipe
from training.engine.loop import Trainer
from training.engine.run import Run
from training.engine.task import Position
from training.picodet.augment.pictures import squash
from training.picodet.batches import Batch
from training.picodet.data import Picture, load, one_class
from training.picodet.export import detect_torch
from training.picodet.model import PicoDet
from training.picodet.task import DetectionTask, initial_model
from training.picodet.weights import load_run

PLAIN = {"crop": 0.0, "flip": 0.0, "distort": 0.0}
V2 = {"neck": "LCPAN", "head": "PicoHeadV2"}
START = Position(epoch=0, batch=0, step=0, progress=0.0)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("pictures"))


def fit(settings, pictures, folder=None, validation=()):
    task = DetectionTask(settings, pictures, validation)
    run = None if folder is None else Run(folder, settings.model_dump(mode="json"))
    trainer = Trainer(task, settings.train.loop, run)
    trainer.train()
    return trainer.network


@pytest.mark.parametrize("model", [{}, V2], ids=["legacy", "v2"])
def test_four_pictures_are_learned_by_heart(pictures, model):
    optimizer = {"name": "AdamW", "lr": {"name": "Cosine", "learning_rate": 5e-3}}
    train = {"sizes": [64], "batches_per_epoch": 10, "optimizer": optimizer, "static_epochs": 3}
    wide = model | {"backbone": {"name": "LCNet", "scale": 0.35}, "channels": 32}
    settings = recipe(model=wide, augment=PLAIN, train=train | {"loop": {"epochs": 8, "ema_decay": 0.8}})
    network = fit(settings, pictures)
    samples = [squash(load(picture), 64) for picture in pictures]
    found = detect_torch(network, np.stack([np.asarray(sample.image) for sample in samples]))
    overlaps = [box_iou(boxes[:1], sample.boxes).item() for (boxes, *_), sample in zip(found, samples, strict=True)]
    assert np.mean(overlaps) >= 0.5  # one box around everything would reach 0.16


def test_a_run_that_was_cut_off_ends_with_the_same_weights(tmp_path, pictures):
    settings = recipe()
    fit(settings, pictures, tmp_path / "whole")

    def cut_off(kind, record):
        if record["batch"] == 3 and record["epoch"] == 1:
            raise KeyboardInterrupt

    task = DetectionTask(settings, pictures)
    run = Run(tmp_path / "cut", settings.model_dump(mode="json"))
    with pytest.raises(KeyboardInterrupt):
        Trainer(task, settings.train.loop, run, report=cut_off).train()
    fit(settings, pictures, tmp_path / "cut")
    whole, cut = (load_run(tmp_path / name, settings.model).state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(cut[name], value) for name, value in whole.items())


def test_the_run_is_measured_on_the_validation_pictures(tmp_path, pictures):
    settings = recipe(train={"batches_per_epoch": 1, "loop": {"epochs": 1}})
    fit(settings, pictures, tmp_path, validation=pictures)
    records = Run(tmp_path, settings.model_dump(mode="json")).records()
    measured = [record for record in records if record["kind"] == "eval"]
    assert len(measured) == 1
    assert {"ap", "ap50", "best_box", "recall_5"} <= measured[0].keys()


def batch(pictures, size=64):
    samples = [squash(load(picture), size) for picture in pictures]
    pixels = torch.from_numpy(np.stack([np.asarray(sample.image) for sample in samples]))
    return Batch(pixels, [torch.from_numpy(s.boxes) for s in samples], [torch.from_numpy(s.labels) for s in samples])


@pytest.mark.parametrize("model", [{}, V2], ids=["legacy", "v2"])
def test_losses_are_computed_in_full_precision_under_bf16(pictures, model):
    task = DetectionTask(recipe(model=model), pictures)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = task.losses(task.model, batch(pictures), START)
    assert {value.dtype for value in losses.values()} == {torch.float32}
    exact = task.losses(task.model, batch(pictures), START)
    for name, value in exact.items():
        assert float(losses[name].detach()) == pytest.approx(float(value.detach()), rel=0.1)


def test_the_second_head_is_warmed_up_by_static_assignment(pictures):
    task = DetectionTask(recipe(model=V2, train={"static_epochs": 2}), pictures)
    task.model.eval()

    def giou(epoch):
        return float(task.losses(task.model, batch(pictures), Position(epoch, 0, 0, 0.0))["giou"].detach())

    assert giou(0) == giou(1)
    assert giou(2) != giou(1)


def test_norms_do_not_decay_and_the_backbone_learns_at_its_share(pictures):
    task = DetectionTask(recipe(train={"backbone_rate": 0.1}), pictures)
    (optimisation,) = task.optimisations(steps_per_epoch=3)
    groups = optimisation.optimizer.param_groups
    of = {id(p): group for group in groups for p in group["params"]}
    for name, module in task.model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert of[id(module.weight)]["weight_decay"] == 0
        if isinstance(module, nn.Conv2d):
            assert of[id(module.weight)]["weight_decay"] == 0.02
            share = of[id(module.weight)].get("lr_scale", 1.0)
            assert share == pytest.approx(0.1 if name.startswith("backbone.") else 1.0)


def test_the_rate_follows_the_batch_and_the_schedule_may_be_longer_than_the_run(pictures):
    lr = {"name": "Cosine", "learning_rate": 0.4, "warmup_start_lr": 0.04}
    train = {"batch": 8, "reference_batch": 32, "warmup_steps": 4, "schedule_epochs": 20}
    settings = recipe(train=train | {"optimizer": {"name": "Momentum", "lr": lr}, "loop": {"epochs": 10}})
    (optimisation,) = DetectionTask(settings, pictures).optimisations(steps_per_epoch=10)
    assert optimisation.schedule.rate(0) == pytest.approx(0.01)
    assert optimisation.schedule.rate(4) == pytest.approx(0.1)
    assert optimisation.schedule.rate(100) > 0.04
    assert optimisation.schedule.rate(199) < 0.001


def test_training_can_start_from_a_file_of_weights(tmp_path):
    torch.manual_seed(3)
    settings = recipe()
    wanted = PicoDet(settings.model).state_dict()
    half = {name: v.half() if v.is_floating_point() else v for name, v in wanted.items()}
    save_file(half, tmp_path / "start.safetensors")
    started = initial_model(recipe(train={"init": str(tmp_path / "start.safetensors")})).state_dict()
    for name, value in wanted.items():
        torch.testing.assert_close(started[name], value, rtol=1e-3, atol=1e-3)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    save_file(PicoDet(recipe().model).state_dict(), tmp_path / "start.safetensors")
    wide = recipe(model={"channels": 48}, train={"init": str(tmp_path / "start.safetensors")})
    with pytest.raises(ValueError, match=r"start\.safetensors: weights of another network"):
        initial_model(wide)
    with pytest.raises(ValueError, match=r"none\.safetensors: cannot be read"):
        initial_model(recipe(train={"init": str(tmp_path / "none.safetensors")}))


def test_sources_of_weight_zero_are_never_read(tmp_path, pictures):
    missing = Picture(tmp_path / "missing.png", "never", pictures[0].boxes, one_class(1))
    fit(recipe(weights={"never": 0.0}, train={"loop": {"epochs": 1}}), [*pictures, missing])


def test_several_classes_are_trained(pictures):
    settings = recipe(classes=["cup", "tin"], categories={"Cup": "cup", "Tin": "tin"}, model={"classes": 2})
    relabelled = [dataclasses.replace(picture, labels=np.array([i % 2])) for i, picture in enumerate(pictures)]
    task = DetectionTask(settings, relabelled)
    assert all(bool(value.detach() > 0) for value in task.losses(task.model, batch(relabelled), START).values())
