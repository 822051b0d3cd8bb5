"""Several processes learn what one does, and a run that is killed ends as one that is not: by the real command."""

import json
import multiprocessing
import os
import signal
import time

import pytest
import torch
import yaml
from PIL import Image, ImageDraw
from torch.multiprocessing import start_processes as fork
from torch.nn import functional as F
from typer.testing import CliRunner

from tests.training.picodet.drawn import TINY
from training.cli import app
from training.engine.checkpoint import LATEST, SUMMARY
from training.engine.parallel import start_processes, stop_processes
from training.picodet.boxes import STRIDES, cells
from training.picodet.criterion import Outputs, Truth, aligned_losses, sim_ota_losses
from training.picodet.recipe import make_recipe, merged
from training.picodet.task import initial_model
from training.picodet.weights import load_run

SIDE = 64
PLAIN = {"crop": 0.0, "flip": 0.0, "distort": 0.0}
MOMENTUM = {"name": "Momentum", "lr": {"name": "Cosine", "learning_rate": 0.02}}


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Drawing is tested with the run folder; here it would take most of the time."""
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)


@pytest.fixture
def data(tmp_path):
    """Eight pictures of the input's size, with one to two squares, so that processes have unlike shares of them."""
    images, annotations = [], []
    for index in range(8):
        picture = Image.new("RGB", (SIDE, SIDE), (60, 20 * index, 80))
        for x in (4, 34)[: 1 + index % 2]:
            box = [x, 3 * index, 22, 26]
            ImageDraw.Draw(picture).rectangle((box[0], box[1], box[0] + 22, box[1] + 26), (230, 200, 10))
            annotations.append({"id": len(annotations), "image_id": index, "bbox": box})
        picture.save(tmp_path / f"{index}.png")
        images.append({"id": index, "file_name": f"{index}.png", "width": SIDE, "height": SIDE})
    (tmp_path / "boxes.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return tmp_path


def command(data, name, batch, **changes):
    """The words of the command that trains by a recipe with these changes."""
    train = {"batch": batch, "sizes": [SIDE], "optimizer": MOMENTUM, "resampling": ["bilinear"]}
    content = merged(TINY, {"coco": [{"annotations": "boxes.json"}], "augment": PLAIN, "train": train})
    (data / f"{name}.yaml").write_text(yaml.safe_dump(merged(content, {"train": changes})))
    return ["picodet", "--recipe", str(data / f"{name}.yaml"), "--data", str(data), "--out", str(data / name)]


def train(words):
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output


def weights(data, name):
    return load_run(data / name, make_recipe(dict(TINY), name).model).state_dict()


def distance(left, right):
    return torch.stack([(left[name] - value).square().sum().float() for name, value in right.items()]).sum().sqrt()


def as_torchrun(number, words):
    """What ``torchrun`` starts, in a forked process: fresh interpreters would spend a minute on imports alone."""
    os.environ.update(RANK=str(number), LOCAL_RANK=str(number), WORLD_SIZE="2")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29537", GLOO_SOCKET_IFNAME="lo")
    app(words, standalone_mode=False)


@pytest.mark.filterwarnings("ignore:Grad strides do not match")  # a hint about speed
def test_two_processes_learn_what_one_of_twice_the_batch_does(data, monkeypatch):
    # Each process normalises by its own pictures; with every picture by itself nothing else may differ.
    def alone(norm, x):
        return F.group_norm(x, 1, norm.weight, norm.bias)

    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", alone)
    how = {"batches_per_epoch": 2, "warmup_steps": 0, "loop": {"epochs": 1, "ema_decay": None}}
    train(command(data, "one", batch=4, **how))
    fork(as_torchrun, (command(data, "two", batch=2, **how),), nprocs=2, start_method="fork")
    start = initial_model(make_recipe(dict(TINY), "toy")).state_dict()
    one, two = weights(data, "one"), weights(data, "two")
    assert distance(one, two) < 1e-3 * distance(one, start)


def scene():
    """Outputs of a network for four pictures, and their objects: none in the first, then one, two and three."""
    torch.manual_seed(0)
    count = len(cells(SIDE, SIDE)[0])
    classes, distances = torch.randn(4, count, 1), torch.randn(4, count, 32)
    truths = []
    for objects in range(4):
        low = torch.rand(objects, 2) * 30
        boxes = torch.cat([low, low + 10 + torch.rand(objects, 2) * 20], dim=1)
        truths.append(Truth(boxes, torch.zeros(objects, dtype=torch.long), torch.zeros(0, 4)))
    return classes, distances, truths


def losses(part):
    classes, distances, truths = scene()
    logits, distances, size = classes[part], distances[part], (SIDE, SIDE)
    scores = logits.sigmoid()
    legacy = sim_ota_losses(Outputs.decoded(logits, scores, distances, size, STRIDES), truths[part])
    second = aligned_losses(Outputs.decoded(scores, scores, distances, size, STRIDES), truths[part], warm_up=False)
    return torch.stack([*legacy.values(), *second.values()])


def one_of_two(number, folder):
    start_processes("cpu", f"file://{folder}/meeting", number, 2)
    torch.save(losses(slice(2 * number, 2 * number + 2)), f"{folder}/{number}.pt")
    stop_processes()


def test_losses_of_unlike_halves_have_the_mean_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    fork(one_of_two, (str(tmp_path),), nprocs=2, start_method="fork")
    halves = [torch.load(tmp_path / f"{number}.pt", weights_only=True) for number in range(2)]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, losses(slice(0, 4)))


def test_a_killed_command_goes_on_to_the_same_weights(data):
    how = {"batches_per_epoch": 12, "loop": {"epochs": 1, "save_steps": 2}}
    train(command(data, "whole", batch=2, **how))
    words = command(data, "killed", batch=2, **how)
    process = multiprocessing.get_context("fork").Process(target=app, args=(words,))
    process.start()
    saved = data / "killed" / LATEST / SUMMARY
    while not saved.exists() and process.is_alive():
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert json.loads(saved.read_text())["step"] < 12
    train(words)
    whole, killed = weights(data, "whole"), weights(data, "killed")
    assert all(torch.equal(killed[name], value) for name, value in whole.items())
