"""Training throughput on one core of the CPU, and where the time goes.

    python -m benchmarks.training --steps 4

Real steps of the loop, each part in CPU milliseconds a picture: the V2 recipe of PP-ShiTu (PPLCNetV2_base at 224 px,
batches of 32 instead of 256) and the tuning of the shipped extractor (160 px). Photos are drawn, JPEG of 1.2 MP, unless
``--data`` and ``--others`` give folders of folders. The reference of the same run is a bare PyTorch loop that takes the
same network, losses and optimisers over one batch in memory: no input, no averaging, no log.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmarks.end_to_end import rendered
from training.config.schema import load_config
from training.data.dataset import PictureDataset
from training.data.pictures import Picture, folder_pictures
from training.engine.loop import Trainer
from training.engine.memory import keep_freed_memory
from training.engine.optimisation import Optimisation
from training.engine.settings import LoopSettings
from training.engine.task import MODEL, Position, Task
from training.presets import find_config
from training.recmodel.build import build_task, loop_settings
from training.recmodel.recipe import SHIPPED, read_recipe
from training.recmodel.tune import loop_settings as tuning_settings
from training.recmodel.tune import retention_task

WARMING = 1
PARTS = ("decoding", "transforms", "forward", "backward", "optimiser", "rest of the loop")
LABELS, PHOTOS_PER_LABEL, SCENES = 16, 4, 6


class Clock:
    """Sums CPU seconds of this thread by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.thread_time()

    def mark(self, part: str) -> None:
        """All since the last mark was ``part``."""
        now = time.thread_time()
        self.seconds[part] += now - self._last
        self._last = now

    def move(self, seconds: float, source: str, part: str) -> None:
        """Some of what will be ``source`` was ``part``."""
        self.seconds[part] += seconds
        self.seconds[source] -= seconds


class Clocked(Optimisation):
    """An optimisation whose step is measured; what came before it was the backward pass."""

    clock: Clock

    def step(self, number: int, scaler: torch.amp.GradScaler | None = None) -> float:
        """As ``Optimisation``."""
        self.clock.mark("backward")
        rate = super().step(number, scaler)
        self.clock.mark("optimiser")
        return rate


class Measured:
    """A task, measured."""

    def __init__(self, task: Task, clock: Clock) -> None:
        self._task, self._clock = task, clock
        self.modules, self.batches_per_epoch = task.modules, task.batches_per_epoch
        self.samples, self.evaluate = task.samples, task.evaluate
        self.pictures = 0

    def optimisations(self, steps_per_epoch: int) -> Sequence[Optimisation]:
        """Those of the task, measured."""
        measured = []
        for one in self._task.optimisations(steps_per_epoch):
            clocked = Clocked(one.optimizer, one.schedule, one.clip_each, one.clip_all)
            clocked.clock = self._clock
            measured.append(clocked)
        return measured

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """Those of the task; what comes before the end of warming is forgotten."""
        batches = iter(self._task.batches(epoch, first))
        for number in range(first, self.batches_per_epoch):
            self._clock.mark("rest of the loop")
            if number == WARMING:
                self._clock.seconds.clear()
            batch = next(batches)
            self._clock.mark("transforms")
            self.pictures += self.samples(batch) if number >= WARMING else 0
            yield batch

    def losses(self, network: nn.Module, batch: Any, at: Position) -> Mapping[str, Tensor]:
        """Those of the task, with the forward pass."""
        self._clock.mark("rest of the loop")
        values = self._task.losses(network, batch, at)
        self._clock.mark("forward")
        return values


@contextmanager
def decoding(clock: Clock) -> Iterator[None]:
    """Within the block, reading picture files counts as decoding, not as transforms."""

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*arguments: Any) -> Any:
            began = time.thread_time()
            result = function(*arguments)
            clock.move(time.thread_time() - began, "transforms", "decoding")
            return result

        return run

    with (
        patch.object(PictureDataset, "pixels", counted(PictureDataset.pixels)),
        patch.object(Picture, "open", counted(Picture.open)),
    ):
        yield


@dataclass(frozen=True)
class Figures:
    """CPU milliseconds a picture: by part, and of the reference; ``waiting``: share of the time spent on input."""

    parts: Mapping[str, float]
    reference: float

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(self.parts.values())

    @property
    def waiting(self) -> float:
        """Share of input, where no worker process makes it beside the network."""
        return (self.parts["decoding"] + self.parts["transforms"]) / self.total


def measure(task: Task, settings: LoopSettings, steps: int) -> Figures:
    """Train for a few steps, and take the reference over the first batch."""
    clock = Clock()
    measured = Measured(task, clock)
    measured.batches_per_epoch = WARMING + steps
    with decoding(clock):
        Trainer(measured, settings).train()
    clock.mark("rest of the loop")
    parts = {part: 1000 * clock.seconds[part] / measured.pictures for part in PARTS}
    return Figures(parts, 1000 * bare_loop(task, steps))


def bare_loop(task: Task, steps: int) -> float:
    """CPU seconds a picture of plain PyTorch on the task's first batch."""
    batch = next(iter(task.batches(0, 0)))
    network, optimisations = task.modules[MODEL], task.optimisations(WARMING + steps)
    for step in range(WARMING + steps):
        if step == WARMING:
            began = time.thread_time()
        values = task.losses(network, batch, Position(0, step, step, 0.0))
        torch.stack(list(values.values())).sum().backward()  # type: ignore[no-untyped-call]
        for one in optimisations:
            one.optimizer.step()
            one.optimizer.zero_grad()
    return (time.thread_time() - began) / (steps * task.samples(batch))


def v2_recipe(data: Path, folder: Path, steps: int) -> tuple[Task, LoopSettings]:
    """The preset as it is, but for its pictures, their number of classes and the size of a batch."""
    pictures = folder_pictures(data)
    lines = [f"{picture.path.relative_to(data)}\t{picture.label}\n" for picture in pictures]
    (folder / "list.txt").write_text("".join(lines), encoding="utf-8")
    overrides = [
        f"DataLoader.Train.dataset.image_root={data}",
        f"DataLoader.Train.dataset.cls_label_path={folder / 'list.txt'}",
        r'DataLoader.Train.dataset.delimiter="\t"',
        "DataLoader.Train.sampler={name: PKSampler, batch_size: 32, sample_per_id: 4, sample_method: id_avg_prob}",
        "DataLoader.Train.loader.num_workers=0",
        "Arch.Backbone.pretrained=False",
        f"Arch.Head.class_num={len({picture.label for picture in pictures})}",
        "Global.device=cpu",
        "Global.eval_during_train=False",
        "Global.epochs=1",
        f"Global.iter_per_epoch={WARMING + steps}",
    ]
    content, _ = load_config(find_config("GeneralRecognitionV2/GeneralRecognitionV2_PPLCNetV2_base"), overrides)
    return build_task(content)[0], loop_settings(content)


def tuning(data: Path, others: Path, folder: Path) -> tuple[Task, LoopSettings]:
    """The recipe of the shipped extractor."""
    recipe = read_recipe(SHIPPED)
    return retention_task(folder_pictures(data), folder_pictures(others), recipe, folder), tuning_settings(recipe)


def draw(folder: Path) -> tuple[Path, Path]:
    """Photos of labels to learn and of others, in folders of folders; scenes recur under several labels."""
    scenes = rendered(SCENES)
    for part in ("data", "others"):
        for number in range(LABELS * PHOTOS_PER_LABEL):
            path = folder / part / f"thing-{number % LABELS}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(scenes[number % SCENES])
    return folder / "data", folder / "others"


def report(rows: Mapping[str, Figures]) -> str:
    """Markdown."""
    lines = [f"| CPU ms a picture | {' | '.join(rows)} |", "| --- |" + " ---: |" * len(rows)]
    lines += [f"| {part} | {' | '.join(f'{row.parts[part]:.1f}' for row in rows.values())} |" for part in PARTS]
    lines.append(f"| all | {' | '.join(f'{row.total:.1f}' for row in rows.values())} |")
    lines.append(
        f"| bare PyTorch loop, one batch in memory | {' | '.join(f'{r.reference:.1f}' for r in rows.values())} |"
    )
    lines.append(
        f"| pictures a second of one core | {' | '.join(f'{1000 / row.total:.1f}' for row in rows.values())} |"
    )
    lines.append(f"| share of input | {' | '.join(f'{row.waiting:.0%}' for row in rows.values())} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="steps of each recipe, after one that warms up")
    parser.add_argument("--data", type=Path, help="FOLDER/label/picture.jpg, at least 14 labels; else photos are drawn")
    parser.add_argument("--others", type=Path, help="pictures of other things, in the same form")
    given = parser.parse_args()
    if (given.data is None) != (given.others is None):
        parser.error("--data and --others go together")
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        data, others = (given.data, given.others) if given.data is not None else draw(Path(folder))
        rows = {
            "V2 recipe, 224 px": measure(*v2_recipe(data, Path(folder), given.steps), given.steps),
            "tune, 160 px": measure(*tuning(data, others, Path(folder)), given.steps),
        }
    print(report(rows))


if __name__ == "__main__":
    main()
