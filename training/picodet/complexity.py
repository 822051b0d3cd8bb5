"""Size and cost of a network: parameters, multiply-adds."""

import torch
from torch import Tensor, nn


def parameter_count(model: nn.Module) -> int:
    """Number of parameters, trained or frozen; statistics of batch norms are none."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, height: int, width: int) -> int:
    """Multiply-adds of all convolutions for one ``height`` x ``width`` picture; works on the meta device."""
    total = 0

    def count(conv: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * conv.weight[0].numel()  # type: ignore[index]

    handles = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, height, width, device=next(model.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    return total
