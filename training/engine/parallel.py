"""Several processes (torchrun): who am I, gather with gradients, say the same everywhere."""

import os
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
PATIENCE = timedelta(hours=12)
"""Others wait this long for the first process, which evaluates."""


def start_processes(device: str, meeting: str = "env://", number: int = -1, count: int = -1) -> None:
    """Join the other processes; nothing happens in a run of one.

    Args:
        device: "cuda" talks by NCCL, everything else by gloo.
        meeting: address where they find each other; by default what ``torchrun`` has put into the environment.
        number, count: rank and world size, with another ``meeting``.
    """
    if (count > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1) and not dist.is_initialized():
        backend = "nccl" if device.startswith("cuda") else "gloo"
        if backend == "nccl":
            torch.cuda.set_device(local_rank())  # where gathered objects go
        dist.init_process_group(backend, meeting, timeout=PATIENCE, rank=number, world_size=count)


def stop_processes() -> None:
    """Leave the group of processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the first process of ``torchrun``, before and after they are joined too."""
    return int(os.environ.get("RANK", "0")) == 0


def local_rank() -> int:
    """Number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def gather(tensor: Tensor) -> Tensor:
    """Rows of all processes, in the order of ranks; gradients flow back to every one of them.

    Where every process computes the same loss of the gathered rows, and gradients of parameters are averaged over
    processes, the result is the gradient of that loss. Processes may have different numbers of rows.
    """
    if not dist.is_initialized():
        return tensor
    counts = [torch.zeros(1, dtype=torch.int64, device=tensor.device) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor([len(tensor)], device=tensor.device))
    most = max(int(count) for count in counts)
    padded = torch.cat([tensor, tensor.new_zeros(most - len(tensor), *tensor.shape[1:])])
    parts = _AllGather.apply(padded)  # type: ignore[no-untyped-call]
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])


class _AllGather(torch.autograd.Function):
    """Tensors of one shape from all ranks, stacked; the gradient of a rank's own is summed over all ranks."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        parts = [torch.zeros_like(tensor) for _ in range(world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient[rank()]


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a value that every process has, without gradients; the value itself in a run of one."""
    if not dist.is_initialized():
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def from_first(value: T) -> T:
    """The value that the first process has, in all of them."""
    if not dist.is_initialized():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def from_all(value: T) -> list[T]:
    """The values of all processes, in the order of ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[T] = [value] * world_size()
    dist.all_gather_object(values, value)
    return values
