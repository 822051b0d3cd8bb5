"""Learning-rate schedules under the names and keys of the old YAML.

A rule gives the rate at t, counted in steps, or in epochs with ``by_epoch``. During warm-up the rate rises linearly;
**then t starts at 0**, so that every boundary of a rule (milestones, decay epochs) comes later by the warm-up.
"""

import inspect
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from training.engine.optimisation import FunctionSchedule, Schedule
from training.registry import Registry, UnknownName

Rule = Callable[[int], float]
SCHEDULES: Registry[Schedule] = Registry("schedule")
FRAME = {"warmup_epoch", "warmup_start_lr", "by_epoch"}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Length:
    """Length of a run, which every schedule is given."""

    epochs: int
    steps_per_epoch: int


def build_schedule(config: Mapping[str, Any] | float, epochs: int, steps_per_epoch: int) -> Schedule:
    """Build the ``lr`` of an old YAML: a number, or keys with the name of a schedule (``ConstLR`` if it has none).

    Raises:
        UnknownName: for an unknown schedule or key.
        ValueError: for values that make no schedule.
    """
    given: dict[str, Any] = {"learning_rate": config} if isinstance(config, int | float) else dict(config)
    for ignored in ("epochs", "step_each_epoch", "verbose", "last_epoch"):  # the engine knows; of no effect
        given.pop(ignored, None)
    name = given.pop("name", None) or "ConstLR"
    parameters = inspect.signature(SCHEDULES.get(name)).parameters
    known = {key for key in parameters if key not in ("length", "frame")} | (FRAME if "frame" in parameters else set())
    for key in given:
        if key not in known:
            raise UnknownName(f"parameter of schedule {name}", key, sorted(known))
    return SCHEDULES.build({"name": name, **given}, length=Length(epochs, steps_per_epoch))


@dataclass(frozen=True)
class _Frame:
    """The clock of a schedule: its unit and its warm-up."""

    length: Length
    warmup_epoch: float = 0
    warmup_start_lr: float = 0.0
    by_epoch: bool = False

    @property
    def per_epoch(self) -> int:
        """Units in an epoch."""
        return 1 if self.by_epoch else self.length.steps_per_epoch

    @property
    def warmup(self) -> int:
        """Units of warm-up, at most the whole run."""
        return round(min(self.warmup_epoch, self.length.epochs) * self.per_epoch)

    @property
    def rest(self) -> int:
        """Units after warm-up, at least 1."""
        return max(1, self.length.epochs * self.per_epoch - self.warmup)

    def schedule(self, rule: Rule, peak: float) -> Schedule:
        """Warm up to ``peak``, then follow ``rule``."""

        def rate(step: int) -> float:
            t = step // self.length.steps_per_epoch if self.by_epoch else step
            if t < self.warmup:
                return self.warmup_start_lr + (peak - self.warmup_start_lr) * t / self.warmup
            return rule(t - self.warmup)

        return FunctionSchedule(rate)


@SCHEDULES.register("ConstLR", "Constant")
def constant(length: Length, learning_rate: float = 0.001, **frame: Any) -> Schedule:
    """Always ``learning_rate``."""
    return _Frame(length, **frame).schedule(lambda t: learning_rate, learning_rate)


@SCHEDULES.register("Cosine")
def cosine(length: Length, learning_rate: float, eta_min: float = 0.0, **frame: Any) -> Schedule:
    """From ``learning_rate`` to ``eta_min`` along half a cosine (Loshchilov and Hutter, SGDR, without restarts)."""
    clock = _Frame(length, **frame)
    rest, half = clock.rest, (learning_rate - eta_min) / 2
    return clock.schedule(lambda t: eta_min + half * (1 + math.cos(math.pi * min(t, rest) / rest)), learning_rate)


@SCHEDULES.register("Linear")
def polynomial(
    length: Length,
    learning_rate: float,
    end_lr: float = 0.0,
    power: float = 1.0,
    cycle: bool = False,
    **frame: Any,
) -> Schedule:
    """From ``learning_rate`` to ``end_lr`` along (1 - t/T)^power; with ``cycle`` T grows by whole multiples."""
    clock = _Frame(length, **frame)

    def rule(t: int) -> float:
        rest = clock.rest * max(1, math.ceil(t / clock.rest)) if cycle else clock.rest
        return end_lr + (learning_rate - end_lr) * float((1 - min(t, rest) / rest) ** power)

    return clock.schedule(rule, learning_rate)


@SCHEDULES.register("Step")
def step_decay(length: Length, learning_rate: float, step_size: float, gamma: float = 0.1, **frame: Any) -> Schedule:
    """``gamma`` times as much after every ``step_size`` epochs."""
    clock = _Frame(length, **frame)
    size = max(1, round(step_size * clock.per_epoch))
    return clock.schedule(lambda t: learning_rate * gamma ** (t // size), learning_rate)


@SCHEDULES.register("MultiStepDecay")
def multi_step(
    length: Length, learning_rate: float, milestones: Sequence[float], gamma: float = 0.1, **frame: Any
) -> Schedule:
    """``gamma`` times as much from each of the epochs ``milestones`` on."""
    clock = _Frame(length, **frame)
    bounds = [round(epoch * clock.per_epoch) for epoch in milestones]
    return clock.schedule(lambda t: learning_rate * gamma ** sum(t >= bound for bound in bounds), learning_rate)


@SCHEDULES.register("Piecewise")
def piecewise(
    length: Length,
    decay_epochs: Sequence[float] | None = None,
    values: Sequence[float] | None = None,
    learning_rate: float | None = None,
    **frame: Any,
) -> Schedule:
    """``values[i]`` between the epochs ``decay_epochs``; without lists, ``learning_rate`` and a tenth every 30 epochs.

    The old stack threw both lists away where ``learning_rate`` stood beside them. Here the lists hold; to get its
    results, leave them out.

    Raises:
        ValueError: if there is not one value more than there are boundaries.
    """
    if not decay_epochs or not values:
        if learning_rate is None:
            raise ValueError("Piecewise needs decay_epochs and values, or learning_rate")
        decay_epochs = range(30, max(31, length.epochs), 30)
        values = [learning_rate * 0.1**i for i in range(len(decay_epochs) + 1)]
    elif learning_rate is not None:
        logger.warning("Piecewise: decay_epochs and values hold, learning_rate %g is not used", learning_rate)
    if len(values) != len(decay_epochs) + 1:
        raise ValueError(f"Piecewise: {len(decay_epochs)} decay_epochs need {len(decay_epochs) + 1} values")
    clock, rates = _Frame(length, **frame), list(values)
    bounds = [round(epoch * clock.per_epoch) for epoch in decay_epochs]
    return clock.schedule(lambda t: rates[sum(t >= bound for bound in bounds)], rates[0])


@SCHEDULES.register("Cyclic")
def cyclic(
    length: Length,
    base_learning_rate: float,
    max_learning_rate: float,
    step_size_up: int,
    step_size_down: int | None = None,
    mode: str = "triangular",
    exp_gamma: float = 1.0,
    **frame: Any,
) -> Schedule:
    """Up and down between two rates (Smith, Cyclical learning rates, 2017), sizes in steps.

    Raises:
        ValueError: for another mode than triangular, triangular2 or exp_range.
    """
    down = step_size_down or step_size_up
    damping: dict[str, Callable[[int, int], float]] = {
        "triangular": lambda cycle, t: 1.0,
        "triangular2": lambda cycle, t: 0.5**cycle,
        "exp_range": lambda cycle, t: exp_gamma**t,
    }
    if mode not in damping:
        raise ValueError(f"Cyclic: mode {mode!r} is none of {', '.join(damping)}")

    def rule(t: int) -> float:
        cycle, place = divmod(t, step_size_up + down)
        height = place / step_size_up if place <= step_size_up else 1 - (place - step_size_up) / down
        return base_learning_rate + (max_learning_rate - base_learning_rate) * height * damping[mode](cycle, t)

    return _Frame(length, **frame).schedule(rule, base_learning_rate)


@SCHEDULES.register("OneCycleLR")
def one_cycle(
    length: Length,
    max_learning_rate: float,
    divide_factor: float = 25.0,
    end_learning_rate: float = 1e-10,
    phase_pct: float = 0.3,
    anneal_strategy: str = "cos",
    three_phase: bool = False,
    **frame: Any,
) -> Schedule:
    """Up to ``max_learning_rate`` and down again (Smith and Topin, Super-convergence, 2019): torch's OneCycleLR.

    A warm-up before it goes up to ``max_learning_rate`` first and cuts off the end of the cycle, as in the old stack.
    """
    clock = _Frame(length, **frame)
    total = length.epochs * clock.per_epoch
    start = max_learning_rate / divide_factor
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_learning_rate,
        total_steps=total,
        pct_start=phase_pct,
        anneal_strategy="linear" if anneal_strategy == "linear" else "cos",
        cycle_momentum=False,
        div_factor=divide_factor,
        final_div_factor=start / end_learning_rate,
        three_phase=three_phase,
    )

    rates = [float(optimizer.param_groups[0]["lr"])]
    for _ in range(total - 1):
        optimizer.step()
        schedule.step()
        rates.append(float(optimizer.param_groups[0]["lr"]))
    return clock.schedule(lambda t: rates[min(t, total - 1)], max_learning_rate)


@SCHEDULES.register("CosineFixmatch")
def cosine_fixmatch(
    length: Length, learning_rate: float, num_warmup_steps: int = 0, num_cycles: float = 7 / 16
) -> Schedule:
    """FixMatch's slower cosine (Sohn et al., 2020), warm-up in steps."""
    rest = max(1, length.epochs * length.steps_per_epoch - num_warmup_steps)

    def rate(step: int) -> float:
        if step < num_warmup_steps:
            return learning_rate * step / num_warmup_steps
        return learning_rate * max(0.0, math.cos(math.pi * num_cycles * (step - num_warmup_steps) / rest))

    return FunctionSchedule(rate)


@SCHEDULES.register("ReduceOnPlateau")
class PlateauSchedule:
    """``factor`` times as much when ``patience`` evaluations in a row were no better: torch's ReduceLROnPlateau."""

    def __init__(
        self,
        length: Length,
        learning_rate: float,
        mode: str = "max",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        epsilon: float = 1e-8,
        **frame: Any,
    ) -> None:
        frame.pop("by_epoch", None)  # it always follows evaluations
        self._carrier = torch.optim.SGD([torch.zeros(1)], lr=learning_rate)
        self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self._carrier,
            mode="min" if mode == "min" else "max",
            factor=factor,
            patience=patience,
            threshold=threshold,
            threshold_mode="abs" if threshold_mode == "abs" else "rel",
            cooldown=cooldown,
            min_lr=min_lr,
            eps=epsilon,
        )
        self._schedule = _Frame(length, **frame).schedule(lambda t: self._current, learning_rate)

    @property
    def _current(self) -> float:
        return float(self._carrier.param_groups[0]["lr"])

    def rate(self, step: int) -> float:
        """Warm-up, then the rate after the evaluations so far."""
        return self._schedule.rate(step)

    def observe(self, metric: float) -> None:
        """Take note of an evaluation."""
        self._plateau.step(metric)

    def state_dict(self) -> dict[str, Any]:
        """Current rate, best value, counters."""
        return {"rate": self._current, "plateau": self._plateau.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""
        self._carrier.param_groups[0]["lr"] = state["rate"]
        self._plateau.load_state_dict(state["plateau"])
