"""RecModel as a task of the engine: batches of labelled pictures, outputs by name, weighted losses."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training.data.loader import Batch, Loader
from training.engine.optimisation import Optimisation
from training.engine.optimisers import build_optimisations
from training.engine.parallel import gather
from training.engine.task import MODEL, Position

Evaluate = Callable[[nn.Module], Mapping[str, float]]
LOSS = "loss"


class RecTask:
    """Trains a network that gives outputs by name with losses that take them.

    Args:
        model: ``forward(images, labels)`` gives tensors by name, or by name of a network and name (distillation).
        loss: ``forward(outputs, labels)`` gives weighted losses by name.
        loader: batches of this process.
        optimiser: the ``Optimizer`` section.
        epochs: length of the run, for schedules.
        evaluate: measures a network; None: nothing is measured.
        batches_per_epoch: instead of one pass over the loader; goes on where the last epoch ended.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        loader: Loader,
        optimiser: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        epochs: int,
        evaluate: Evaluate | None = None,
        batches_per_epoch: int | None = None,
    ) -> None:
        self.modules: Mapping[str, nn.Module] = {MODEL: model, LOSS: loss}
        self._loader, self._optimiser, self._epochs = loader, optimiser, epochs
        self._evaluate = evaluate
        self.batches_per_epoch = batches_per_epoch or len(loader)

    def optimisations(self, steps_per_epoch: int) -> list[Optimisation]:
        """What the ``Optimizer`` section says."""
        return build_optimisations(self._optimiser, self.modules, self._epochs, steps_per_epoch)

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch; with ``batches_per_epoch`` they are a stretch of the loader's passes."""
        return stretch(self._loader, self.batches_per_epoch, epoch, first)

    def samples(self, batch: Batch) -> int:
        """Pictures of a batch."""
        return len(batch.labels)

    def losses(self, network: nn.Module, batch: Batch, at: Position) -> dict[str, Tensor]:
        """Weighted losses of the outputs and labels of all processes, in full precision."""
        device = next(self.modules[MODEL].parameters()).device
        images = batch.images.to(device, non_blocking=True)
        labels = batch.labels.to(device, non_blocking=True)
        outputs = gathered(network(images, labels))
        values: dict[str, Tensor] = self.modules[LOSS](outputs, gather(labels))
        return values

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """What the configuration's metrics say of a network; nothing if it has none."""
        return self._evaluate(network) if self._evaluate is not None else {}


def stretch(loader: Loader, batches_per_epoch: int, epoch: int, first: int) -> Iterator[Batch]:
    """Batches of an epoch from number ``first`` on, where an epoch is a stretch of the loader's passes."""
    passed, skip = divmod(epoch * batches_per_epoch + first, max(1, len(loader)))
    left = batches_per_epoch - first
    while left > 0:
        for batch in loader.epoch(passed, skip):
            yield batch
            left -= 1
            if left == 0:
                return
        passed, skip = passed + 1, 0


def gathered(outputs: Any) -> Any:
    """Outputs, nested by name, of all processes; floating tensors in full precision."""
    if isinstance(outputs, Tensor):
        return gather(outputs.float() if outputs.is_floating_point() else outputs)
    if isinstance(outputs, Mapping):
        return {name: gathered(value) for name, value in outputs.items()}
    return outputs


def main_output(outputs: Mapping[str, Any], name: str, network: str = "Student") -> Tensor:
    """The output ``name`` of a network, or, where there are several, of the one called ``network``.

    Raises:
        ValueError: if there is none of that name.
    """
    own = outputs.get(network, outputs)
    if not isinstance(own.get(name), Tensor):
        raise ValueError(f"the network has no output {name!r}; it gives {', '.join(map(str, own))}")
    return torch.as_tensor(own[name])
