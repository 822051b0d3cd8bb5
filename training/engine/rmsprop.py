"""RMSProp as the old stack has it."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class RMSProp(torch.optim.Optimizer):
    """RMSProp with epsilon inside the root and the rate inside the momentum (Tieleman and Hinton, lecture 6.5).

    s = rho s + (1 - rho) g^2; v = momentum v + lr g / sqrt(s + epsilon); w = w - v. torch's own adds epsilon to the
    root and multiplies v by the rate of the day.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.0,
        rho: float = 0.95,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "rho": rho, "epsilon": epsilon, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; ``closure``, if given, is called first and its value returned."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["square"] = torch.zeros_like(parameter)
            state["velocity"] = torch.zeros_like(parameter)
        gradient = parameter.grad.add(parameter, alpha=group["weight_decay"])  # type: ignore[union-attr]
        square, velocity = state["square"], state["velocity"]
        square.mul_(group["rho"]).addcmul_(gradient, gradient, value=1 - group["rho"])
        velocity.mul_(group["momentum"]).addcdiv_(gradient, (square + group["epsilon"]).sqrt_(), value=group["lr"])
        parameter.sub_(velocity)
