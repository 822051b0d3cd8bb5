"""A tiny task with everything in it that a resumed run can lose: dropout, batch norm, a memory bank, centres."""

import random
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from training.engine.optimisers import build_optimisations
from training.engine.parallel import gather, rank, world_size
from training.engine.settings import LoopSettings

PICTURES, WIDTH, CLASSES = 24, 6, 3
OPTIMISER = {"name": "Momentum", "momentum": 0.9, "lr": {"name": "Cosine", "learning_rate": 0.1, "warmup_epoch": 1}}


class Bank(nn.Module):
    """Distance to centres, and to the mean of the features of the last batches."""

    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(CLASSES, 4))
        self.register_buffer("bank", torch.zeros(4))

    def forward(self, features, labels):
        loss = (features - self.centres[labels]).square().mean() + 0.1 * (features - self.bank).square().mean()
        with torch.no_grad():
            self.bank.mul_(0.9).add_(features.mean(dim=0), alpha=0.1)
        return loss


def make_network(plain=False):
    torch.manual_seed(3)
    middle = nn.Identity() if plain else nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.3))
    return nn.Sequential(nn.Linear(WIDTH, 4), middle, nn.Linear(4, 4))


@dataclass
class Toy:
    epochs: int = 3
    batch_size: int = 5
    plain: bool = False
    optimiser: object = field(default_factory=lambda: OPTIMISER)
    metrics: list = field(default_factory=list)
    poison: int | None = None

    def __post_init__(self):
        self.modules = {"model": make_network(self.plain), "loss": Bank()}
        self.evaluated = []

    @property
    def batches_per_epoch(self):
        return -(-PICTURES // self.batch_size)

    def optimisations(self, steps_per_epoch):
        return build_optimisations(self.optimiser, self.modules, self.epochs, steps_per_epoch)

    def batches(self, epoch, first):
        random.random(), np.random.rand(), torch.rand(1)  # a loader that draws from the global generators
        order = np.random.default_rng((7, epoch)).permutation(PICTURES)
        for number in range(first, self.batches_per_epoch):
            chosen = order[number * self.batch_size : (number + 1) * self.batch_size][rank() :: world_size()]
            rows = [np.random.default_rng((epoch, int(i))).normal(size=WIDTH) for i in chosen]
            yield torch.from_numpy(np.array(rows, np.float32)), torch.from_numpy(chosen % CLASSES)

    def samples(self, batch):
        return len(batch[1])

    def losses(self, network, batch, at):
        features, labels = gather(network(batch[0])), gather(batch[1])
        bank = self.modules["loss"](features, labels)
        if self.poison == at.step:
            bank = bank * float("nan")
        return {"bank": bank, "size": 0.01 * features.square().sum(dim=1).mean()}

    def evaluate(self, network):
        assert not network.training
        self.evaluated.append([p.detach().clone() for p in network.parameters()])
        return {"score": self.metrics[len(self.evaluated) - 1] if self.metrics else 0.0, "other": 1.0}


def settings(**changes):
    return LoopSettings(**{"epochs": 3, "log_steps": 2, "evaluate_every": 0, **changes})
