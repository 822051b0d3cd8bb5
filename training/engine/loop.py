"""The training loop: one for every task."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.engine.average import averaged_network
from training.engine.checkpoint import (
    BEST,
    LATEST,
    has_checkpoint,
    load_checkpoint,
    load_modules,
    module_weights,
    save_checkpoint,
)
from training.engine.parallel import from_all, from_first, local_rank, rank, world_size
from training.engine.randomness import generator_states, generators_untouched, seed_all, set_generator_states
from training.engine.run import Run
from training.engine.settings import LoopSettings
from training.engine.task import MODEL, Position, Task

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
Report = Callable[[str, dict[str, Any]], None]


class Diverged(ValueError):
    """A loss is no longer a number."""


@dataclass
class Progress:
    """Where a run is; all of it is in checkpoints.

    ``epoch``, ``batch`` (of this epoch) and ``step`` count what is done, ``stale`` evaluations since the best one;
    ``sums`` and ``count`` are of the losses since the last record.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = -math.inf
    stale: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0


class _Losses(nn.Module):
    """Network and losses as one module, so that several processes agree on which parameters a batch used."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(dict(task.modules))
        self._task, self._network = task, [network]

    def forward(self, batch: Any, at: Position) -> dict[str, Tensor]:
        return dict(self._task.losses(self._network[0], batch, at))


class Trainer:
    """Trains a task in a run folder.

    Args:
        run: where the first process writes; None writes nothing.
        resume: checkpoint to go on from, unless the run folder has one of the same run.
        report: is told of every record ("train" or "eval").
    """

    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        run: Run | None = None,
        resume: Path | None = None,
        report: Report = lambda kind, record: None,
    ) -> None:
        self.task, self.settings, self.run = task, settings, run if rank() == 0 else None
        self._report = report
        self._network = task.modules[MODEL]
        self._batches = task.batches_per_epoch
        if self._batches < 1:
            raise ValueError("there is no batch in an epoch: fewer pictures than a batch takes, with drop_last")
        self._steps_per_epoch = math.ceil(self._batches / settings.accumulate)
        seed_all(settings.seed + rank())
        for module in task.modules.values():
            module.to(settings.device)
        if settings.channels_last:
            self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimisations = task.optimisations(self._steps_per_epoch)
        self._average = None
        if settings.ema_decay is not None:
            self._average = averaged_network(self._network, settings.ema_decay, settings.ema_ramp)
        kind = torch.device(settings.device).type
        self._scaler = torch.amp.GradScaler(kind, settings.loss_scale, enabled=settings.precision == "fp16")
        self.progress = Progress()
        self._waited, self._samples, self._since = 0.0, 0, time.perf_counter()
        self._restore(resume)
        self._losses = self._wrapped()

    def train(self) -> Progress:
        """Train to the last epoch, or until evaluations get no better.

        Raises:
            Diverged: naming the loss and the step, if one is not finite; the last checkpoint is left as it was.
        """
        settings, progress = self.settings, self.progress
        while progress.epoch < settings.epochs and not self._given_up:
            self._epoch()
            progress.epoch, progress.batch = progress.epoch + 1, 0
            due = settings.evaluate_every and progress.epoch % settings.evaluate_every == 0
            if due and progress.epoch >= settings.evaluate_from:
                self._evaluate()
            self._save(LATEST)
            if settings.keep_every and progress.epoch % settings.keep_every == 0:
                self._save(f"epoch_{progress.epoch}")
        if self.run is not None:
            self.run.close()
        return progress

    @property
    def network(self) -> nn.Module:
        """The network to use: the averaged one where there is one."""
        return self._average.module if self._average is not None else self._network

    @property
    def _given_up(self) -> bool:
        return 0 < self.settings.patience <= self.progress.stale

    def _wrapped(self) -> nn.Module:
        network: nn.Module = self._network
        if self.settings.compile:
            network = torch.compile(network)  # type: ignore[assignment]
        losses = _Losses(self.task, network)
        if world_size() == 1 or not any(p.requires_grad for p in losses.parameters()):
            return losses
        devices = [local_rank()] if self.settings.device.startswith("cuda") else None
        return DistributedDataParallel(losses, device_ids=devices, find_unused_parameters=True)

    def _epoch(self) -> None:
        for module in self.task.modules.values():
            module.train()
        cycle, progress = self.settings.ema_cycle, self.progress
        if self._average is not None and cycle and progress.batch == 0 and progress.epoch % cycle == 0:
            self._average.n_averaged.zero_()
        group: list[Any] = []
        self._since = time.perf_counter()
        for batch in self._fetched():
            group.append(batch)
            last = self.progress.batch + len(group) == self._batches
            if len(group) == self.settings.accumulate or last:
                self._step(group)
                self.progress.batch += len(group)
                self.progress.step += 1
                group = []
                self._after_step(last)

    def _fetched(self) -> Iterator[Any]:
        """Batches of the rest of this epoch; counts the time that is spent waiting for them."""
        with generators_untouched():
            batches = iter(self.task.batches(self.progress.epoch, self.progress.batch))
        while True:
            began = time.perf_counter()
            with generators_untouched():
                batch = next(batches, None)
            if batch is None:
                return
            self._waited += time.perf_counter() - began
            self._samples += self.task.samples(batch)
            yield batch

    def _step(self, group: list[Any]) -> None:
        progress, losses = self.progress, self._losses
        total_steps = self.settings.epochs * self._steps_per_epoch
        for number, batch in enumerate(group):
            at = Position(progress.epoch, progress.batch + number, progress.step, progress.step / total_steps)
            together = number == len(group) - 1 or not isinstance(losses, DistributedDataParallel)
            with nullcontext() if together else losses.no_sync():  # type: ignore[operator]
                with self._autocast():
                    values = losses(batch, at)
                self._note(values, at)
                total = torch.stack([value.float() for value in values.values()]).sum() / len(group)
                self._scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        for optimisation in self._optimisations:
            optimisation.step(progress.step, self._scaler)
        self._scaler.update()
        for optimisation in self._optimisations:
            optimisation.optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update_parameters(self._network)

    def _autocast(self) -> Any:
        precision = self.settings.precision
        if precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.settings.device).type, dtype=DTYPES[precision])

    def _note(self, losses: Mapping[str, Tensor], at: Position) -> None:
        """Add the losses of a batch to the sums of the next record.

        Raises:
            Diverged: if one is not finite.
        """
        for name, value in zip(
            losses, torch.stack([v.detach().float() for v in losses.values()]).tolist(), strict=True
        ):
            if not math.isfinite(value):
                raise Diverged(
                    f"{name} is {value} at step {at.step} (epoch {at.epoch + 1}, batch {at.batch + 1}): lower the "
                    "learning rate, warm up for longer, clip gradients (clip_norm) or train in fp32; the last "
                    "checkpoint is from before it"
                )
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value
        self.progress.count += 1

    def _after_step(self, last: bool) -> None:
        if self.progress.step % self.settings.log_steps == 0 or last:
            self._record()
        if self.progress.step % self.settings.save_steps == 0 and not last:
            self._save(LATEST)

    def _record(self) -> None:
        progress, now = self.progress, time.perf_counter()
        elapsed = max(now - self._since, 1e-9)
        means = {name: value / progress.count for name, value in progress.sums.items()}
        record = {"epoch": progress.epoch + 1, "batch": progress.batch, **means, "loss": sum(means.values())}
        for index, optimisation in enumerate(self._optimisations):
            record["lr" if index == 0 else f"lr_{index}"] = optimisation.schedule.rate(progress.step - 1)
        record |= {
            "samples_per_s": self._samples * world_size() / elapsed,
            "input_wait_share": min(1.0, self._waited / elapsed),
        }
        self._log("train", record)
        progress.sums, progress.count = {}, 0
        self._waited, self._samples, self._since = 0.0, 0, now

    @torch.no_grad()
    def _evaluate(self) -> None:
        progress, metrics = self.progress, dict[str, float]()
        if rank() == 0:
            network = self.network
            training = network.training
            network.eval()
            metrics = dict(self.task.evaluate(network))
            network.train(training)
        metrics = from_first(metrics)
        if not metrics:
            return
        first = next(iter(metrics.values()))
        for optimisation in self._optimisations:
            optimisation.schedule.observe(first)
        self._log("eval", {"epoch": progress.epoch, **metrics})
        progress.stale += 1
        if first > progress.best:
            progress.best, progress.stale = first, 0
            self._save(BEST)

    def _log(self, kind: str, record: dict[str, Any]) -> None:
        if rank() == 0:
            self._report(kind, record)
            if self.run is not None:
                self.run.log(kind, self.progress.step, record)

    def _save(self, name: str) -> None:
        states = from_all(generator_states())
        if self.run is None:
            return
        progress = self.progress
        state = {
            "progress": vars(progress),
            "optimisations": [optimisation.state_dict() for optimisation in self._optimisations],
            "scaler": self._scaler.state_dict(),
            "averaged": int(self._average.n_averaged) if self._average is not None else 0,
            "generators": states,
        }
        averaged = self._average.module.state_dict() if self._average is not None else None
        best = progress.best if math.isfinite(progress.best) else None
        summary = {"epoch": progress.epoch, "batch": progress.batch, "step": progress.step, "best": best}
        save_checkpoint(self.run.folder / name, module_weights(self.task.modules), state, averaged, summary)

    def _restore(self, resume: Path | None) -> None:
        own = self.run.folder / LATEST if self.run is not None and self.run.continued else None
        found = from_first(own if own is not None and has_checkpoint(own) else resume)
        if found is None:
            return
        checkpoint = load_checkpoint(found)
        load_modules(self.task.modules, checkpoint.weights)
        state = checkpoint.state
        self.progress = Progress(**state["progress"])
        for optimisation, saved in zip(self._optimisations, state["optimisations"], strict=True):
            optimisation.load_state_dict(saved)
        self._scaler.load_state_dict(state["scaler"])
        if self._average is not None and checkpoint.averaged is not None:
            self._average.module.load_state_dict(checkpoint.averaged)
            self._average.n_averaged.fill_(state["averaged"])
        generators = state["generators"]
        set_generator_states(generators[rank() % len(generators)])
        if self.run is not None:
            self.run.rewind(self.progress.step)
