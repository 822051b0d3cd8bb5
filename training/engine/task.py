"""What the engine needs to know of the thing that it trains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from training.engine.optimisation import Optimisation

MODEL = "model"
"""Name, in ``Task.modules``, of the network itself: the one that is wrapped, averaged and exported."""


@dataclass(frozen=True)
class Position:
    """Where a run is: epochs and steps done, batches of this epoch done, share of the whole run done (0 to 1)."""

    epoch: int
    batch: int
    step: int
    progress: float


class Task(Protocol):
    """A network, its data and its losses. Everything random in it must follow from the seed and the position.

    Global generators of torch, NumPy and Python (dropout, for instance) are saved and restored by the engine.
    """

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Everything that has parameters or buffers, by name; ``model`` is the network. All of it is in checkpoints."""

    @property
    def batches_per_epoch(self) -> int:
        """Exact number of batches that ``batches`` gives for an epoch, the same on every rank."""

    def optimisations(self, steps_per_epoch: int) -> Sequence[Optimisation]:
        """Optimisers with their schedules. Called once, after the modules are on their device."""

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of this rank in ``epoch`` (from 0), from number ``first`` on, as the loader gives them."""

    def samples(self, batch: Any) -> int:
        """How many samples a batch has, for the throughput."""

    def losses(self, network: nn.Module, batch: Any, at: Position) -> Mapping[str, Tensor]:
        """Named, weighted scalars of one batch; their sum is minimised.

        Args:
            network: ``modules["model"]``, perhaps wrapped for several processes or compiled: call this one.
            batch: one of ``batches``; the task moves it to its device.
            at: position before this batch.
        """

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """Named measurements of a network in evaluation mode. The first one, larger is better, chooses the best."""
