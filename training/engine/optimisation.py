"""An optimiser bound to its schedule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class Schedule(Protocol):
    """Gives the learning rate of a step."""

    def rate(self, step: int) -> float:
        """Learning rate in force for optimiser step ``step``, counted from 0."""

    def observe(self, metric: float) -> None:
        """Take note of an evaluation; only ReduceOnPlateau does anything with it."""

    def state_dict(self) -> dict[str, Any]:
        """What must be kept to go on; empty for a schedule that is a function of the step."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""


@dataclass
class FunctionSchedule:
    """A schedule that is a pure function of the step."""

    function: Callable[[int], float]

    def rate(self, step: int) -> float:
        """Learning rate of a step, from 0."""
        return self.function(step)

    def observe(self, metric: float) -> None:
        """Nothing: the rate follows from the step alone."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""


@dataclass
class Optimisation:
    """An optimiser whose rate follows a schedule.

    A parameter group may have ``lr_scale`` (its rate is the schedule's times that) and ``l1`` (that times the sign of
    the parameter is added to the clipped gradient).
    ``clip_each`` clips every gradient tensor on its own to this L2 norm (the old stack's ``clip_norm``), ``clip_all``
    all of them together (torch's usual clipping).
    """

    optimizer: torch.optim.Optimizer
    schedule: Schedule
    clip_each: float | None = None
    clip_all: float | None = None

    def step(self, number: int, scaler: torch.amp.GradScaler | None = None) -> float:
        """Take optimiser step ``number`` (from 0) with the gradients at hand; returns the learning rate used.

        Args:
            scaler: that the gradients were scaled with; a step with infinite gradients is left out.
        """
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        rate = self.schedule.rate(number)
        parameters = []
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
            parameters += [p for p in group["params"] if p.grad is not None]
        if self.clip_each is not None:
            for parameter in parameters:
                torch.nn.utils.clip_grad_norm_(parameter, self.clip_each)
        if self.clip_all is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.clip_all)
        for group in self.optimizer.param_groups:
            if coefficient := group.get("l1", 0.0):
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.grad.add_(parameter.detach().sign(), alpha=coefficient)
        if scaler is not None:
            scaler.step(self.optimizer)
        else:
            self.optimizer.step()
        return rate

    def state_dict(self) -> dict[str, Any]:
        """State of optimiser and schedule."""
        return {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
