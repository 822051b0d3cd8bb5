"""Training loop of the detector: sampling, schedule, moving average, resumable checkpoints."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.picodet.augment import training_sample
from training.picodet.criterion import Outputs, Truth, sim_ota_losses
from training.picodet.data import Picture, Sample, load
from training.picodet.model import ModelConfig, PicoDet

GRADIENT_NORM = 10.0
REPORT_STEPS = 20
FINAL_RATE = 0.02  # of the peak learning rate


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Rates are peaks of a cosine schedule with linear warm-up."""

    model: ModelConfig = field(default_factory=ModelConfig)
    steps: int = 3000
    batch: int = 16
    sizes: tuple[int, ...] = (256, 288, 320)
    head_rate: float = 2e-3
    backbone_rate: float = 3e-4
    weight_decay: float = 0.02
    warmup_steps: int = 150
    frozen_blocks: int = 5
    average_decay: float = 0.998
    checkpoint_steps: int = 100
    seed: int = 1


@dataclass
class State:
    """What a run is: network, optimiser, moving average of the weights, steps done."""

    model: PicoDet
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    step: int = 0


def fit(
    config: TrainConfig,
    pictures: list[Picture],
    weights: dict[str, float],
    folder: Path,
    report: Callable[[dict[str, float]], None],
    end_by: float = math.inf,
    start: Path | None = None,
) -> PicoDet:
    """Train, or go on with what is in ``folder``; returns the network with averaged weights.

    Args:
        weights: how often a picture of each source is drawn, relative to the others (1 if not given).
        folder: takes ``checkpoint.safetensors`` (averaged weights) and the state needed to go on.
        report: gets the mean losses and the pictures a second every ``REPORT_STEPS`` steps.
        end_by: time (``time.time()``) by which the schedule ends; it is shortened where the machine is too slow.
        start: a checkpoint of the same network to start from instead of the backbone's ImageNet weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = _start(config, start)
    if (folder / "state.pt").exists():
        _restore(state, folder)
    chances = np.array([weights.get(picture.source, 1.0) for picture in pictures])
    chances = chances / chances.sum()
    pace = _Pace(config.steps, end_by)
    sums: dict[str, float] = {}
    began, first = time.time(), state.step
    while (progress := pace.progress(state.step)) < 1:
        losses = _step(config, state, progress, _batch(config, pictures, chances, state.step))
        sums = {name: sums.get(name, 0.0) + value for name, value in losses.items()}
        if state.step % config.checkpoint_steps == 0:
            _save(state, config, folder)
        if state.step % REPORT_STEPS == 0:
            speed = (state.step - first) * config.batch / (time.time() - began)
            means = {name: value / REPORT_STEPS for name, value in sums.items()}
            report({"step": state.step, "progress": progress, "images_per_s": speed} | means)
            sums = {}
    _save(state, config, folder)
    return averaged(state)


def averaged(state: State) -> PicoDet:
    """A copy of the network with the averaged weights, in evaluation mode."""
    model = PicoDet(state.model.config)
    model.load_state_dict(state.average)
    return model.eval()


class _Pace:
    """Progress of the schedule in 0..1: by steps, or by time if that runs ahead."""

    def __init__(self, steps: int, end_by: float) -> None:
        self.steps, self.end_by = steps, end_by
        self.began: float | None = None
        self.first = 0.0

    def progress(self, step: int) -> float:
        by_steps = step / self.steps
        if math.isinf(self.end_by):
            return by_steps
        if self.began is None:
            self.began, self.first = time.time(), by_steps
        share = (time.time() - self.began) / (self.end_by - self.began)
        return max(by_steps, self.first + (1 - self.first) * share)


def load_checkpoint(path: Path, config: ModelConfig) -> PicoDet:
    """Network with the weights of a checkpoint, in evaluation mode; half precision is widened."""
    model = PicoDet(config)
    stored = load_file(path).items()
    model.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in stored})
    return model.eval()


def _start(config: TrainConfig, start: Path | None) -> State:
    torch.manual_seed(config.seed)
    if start is None:
        model = PicoDet(config.model, pretrained=config.model.backbone["name"] == "EfficientNetLite0")
    else:
        model = load_checkpoint(start, config.model)
    model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    model.backbone.freeze_early(config.frozen_blocks)
    optimiser = torch.optim.AdamW(_groups(config, model), betas=(0.9, 0.98))
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return State(model, optimiser, average)


def _groups(config: TrainConfig, model: PicoDet) -> Iterator[dict[str, object]]:
    """Parameter groups: backbone and the rest, each with and without decay (none for norms and biases)."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    for inside, rate in ((True, config.backbone_rate), (False, config.head_rate)):
        for decayed in (True, False):
            chosen = [p for n, p in named if n.startswith("backbone.") is inside and (p.ndim > 1) is decayed]
            yield {"params": chosen, "peak": rate, "weight_decay": config.weight_decay if decayed else 0.0}


def rate_factor(progress: float, step: int, warmup_steps: int) -> float:
    """Learning rate as a share of its peak: linear warm-up times a cosine that ends at ``FINAL_RATE``."""
    cosine = FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * min(progress, 1))) / 2
    return cosine * min(1.0, (step + 1) / max(warmup_steps, 1))


def _step(config: TrainConfig, state: State, progress: float, batch: list[Sample]) -> dict[str, float]:
    for group in state.optimiser.param_groups:
        group["lr"] = group["peak"] * rate_factor(progress, state.step, config.warmup_steps)
    pixels = np.stack([np.asarray(sample.image) for sample in batch])
    outputs = Outputs.of(state.model, state.model, torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    losses = sim_ota_losses(outputs, [_truth(sample) for sample in batch])
    state.optimiser.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), GRADIENT_NORM)
    state.optimiser.step()
    state.step += 1
    _update_average(config, state)
    return {name: float(value.detach()) for name, value in losses.items()}


def _truth(sample: Sample) -> Truth:
    boxes = torch.from_numpy(sample.boxes)
    return Truth(boxes, torch.zeros(len(boxes), dtype=torch.long), torch.zeros(0, 4))


@torch.no_grad()
def _update_average(config: TrainConfig, state: State) -> None:
    decay = min(config.average_decay, (1 + state.step) / (10 + state.step))
    for name, value in state.model.state_dict().items():
        if value.dtype.is_floating_point:
            state.average[name].lerp_(value, 1 - decay)
        else:
            state.average[name].copy_(value)


def _batch(config: TrainConfig, pictures: list[Picture], chances: np.ndarray, step: int) -> list[Sample]:
    """The batch of a step depends on seed and step alone, so a resumed run sees what the first would have seen."""
    rng = np.random.default_rng((config.seed, step))
    size = int(rng.choice(config.sizes))
    return [training_sample(lambda: _draw(pictures, chances, rng), size, rng) for _ in range(config.batch)]


def _draw(pictures: list[Picture], chances: np.ndarray, rng: Generator) -> Sample:
    return load(pictures[rng.choice(len(pictures), p=chances)])


def _save(state: State, config: TrainConfig, folder: Path) -> None:
    weights = {name: value.contiguous() for name, value in state.average.items()}
    _replace(folder / "checkpoint.safetensors", lambda path: save_file(weights, path))
    content = {"model": state.model.state_dict(), "optimiser": state.optimiser.state_dict(), "step": state.step}
    _replace(folder / "state.pt", lambda path: torch.save(content, path))
    text = json.dumps(asdict(config) | {"steps_done": state.step}, indent=1)
    _replace(folder / "train.json", lambda path: path.write_text(text, encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write to a temporary file and rename it, so that a cut-off run leaves the last whole one."""
    temporary = path.with_suffix(".tmp")
    write(temporary)
    os.replace(temporary, path)


def _restore(state: State, folder: Path) -> None:
    content = torch.load(folder / "state.pt", weights_only=True)
    state.model.load_state_dict(content["model"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.average = load_file(folder / "checkpoint.safetensors")
    state.step = content["step"]
