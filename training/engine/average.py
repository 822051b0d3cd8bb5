"""Exponential moving average of a network's weights and buffers."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def averaged_network(network: nn.Module, decay: float, ramp: bool) -> AveragedModel:
    """A copy of ``network`` that ``update_parameters`` moves: average = decay average + (1 - decay) current.

    Args:
        ramp: at update n (from 1) use at most (1 + n) / (10 + n); the first one copies, since the start counts little.
    """

    def move(averages: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        number = int(count)
        share = min(decay, (1 + number) / (10 + number)) if ramp else decay
        get_ema_multi_avg_fn(share)(list(averages), list(current), count)  # type: ignore[no-untyped-call]

    average = AveragedModel(network, multi_avg_fn=move, use_buffers=True)
    if not ramp:
        average.n_averaged.fill_(1)  # the start is its first member
    return average
