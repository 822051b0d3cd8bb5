"""MetaBIN as a task: besides plain training, gates learn to suit cameras that a step of their own did not see.

Source: Choi et al., "Meta batch-instance normalization for generalizable person re-identification", CVPR 2021, and the
recipe of PaddleClas 2.5. There the network's step is taken before the gates'; here both are taken of the same weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.data.loader import Batch, Loader
from training.engine.optimisation import Optimisation, Schedule
from training.engine.optimisers import build_optimisations
from training.engine.parallel import world_size
from training.engine.parameters import parameter_rules
from training.engine.schedules import build_schedule
from training.engine.task import MODEL, Position
from training.losses.domains import DOMAINS
from training.numerics import without_autocast
from training.recmodel.backbones.metabin import Gate, held_statistics
from training.recmodel.task import LOSS, Evaluate, gathered, stretch

BASIC, META_TRAIN, META_TEST = "train", "mtrain", "mtest"


class MetaBatch(NamedTuple):
    """``basic`` trains the network, ``meta`` its gates."""

    basic: Batch
    meta: Batch

    @property
    def images(self) -> Tensor:
        """Pictures of the basic batch."""
        return self.basic.images


class MetaBinTask:
    """Trains a network with gated normalisation.

    A step adds up the losses ``train`` of the basic batch, whose gradient the gates do not get, and ``mtest``, whose
    gradient they alone get: it is that of the cameras of one half of the meta batch after the gates took a step down
    ``mtrain``, the loss of the other half. Which cameras are in which half follows from seed and step.

    Args:
        model: with at least one ``Gate``.
        losses: by ``train``, ``mtrain`` and ``mtest``; see ``CombinedLoss``.
        loader, meta_loader: basic and meta batches.
        optimisers: the ``Optimizer`` section: that of the network, that of the gates, and one whose rate times that of
            the gates is the length of the gates' inner step.
        epochs: length of the run, for schedules.
        warmup: steps without the gates' part.
        seed: of the halves.
        evaluate: measures a network; None: nothing is measured.
        batches_per_epoch: instead of one pass over the loader; goes on where the last epoch ended.

    Raises:
        ValueError: if the model has no gates, the optimisers are not three, the pictures are of one camera, or several
            processes train.
    """

    def __init__(
        self,
        model: nn.Module,
        losses: Mapping[str, nn.Module],
        loader: Loader,
        meta_loader: Loader,
        optimisers: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        epochs: int,
        warmup: int = 0,
        seed: int = 0,
        evaluate: Evaluate | None = None,
        batches_per_epoch: int | None = None,
    ) -> None:
        gates = [name for name, part in model.named_modules() if isinstance(part, Gate)]
        if not gates:
            raise ValueError("Global.train_mode: metabin needs gates: Arch.Backbone.name ResNet50_metabin has them")
        if isinstance(optimisers, Mapping) or len(optimisers) != 3:
            raise ValueError("Global.train_mode: metabin takes three optimisers: network, gates, the gates' inner step")
        if world_size() > 1:
            raise ValueError("Global.train_mode: metabin trains in one process")
        self.modules: Mapping[str, nn.Module] = {
            MODEL: model,
            LOSS: nn.ModuleDict({f"of_{part}": loss for part, loss in losses.items()}),
        }
        self.batches_per_epoch = batches_per_epoch or len(loader)
        self._gates = [f"{name}.gate" for name in gates]
        self._loader, self._meta_loader, self._optimisers = loader, meta_loader, list(optimisers)
        self._epochs, self._warmup, self._seed, self._evaluate = epochs, warmup, seed, evaluate
        self._domains = [torch.from_numpy(one.dataset.pictures.domains) for one in (loader, meta_loader)]
        if len(np.unique(self._domains[1])) < 2:
            raise ValueError("Global.train_mode: metabin needs pictures of at least two cameras")
        self._inner: Schedule | None = None
        self._gate_rates: Schedule | None = None

    def optimisations(self, steps_per_epoch: int) -> list[Optimisation]:
        """Those of the network and of the gates."""
        network, gates, inner = self._optimisers
        built = build_optimisations([network, gates], self.modules, self._epochs, steps_per_epoch)
        self._gate_rates = built[1].schedule
        ((_, options),) = inner.items()
        self._inner = build_schedule(options["lr"], self._epochs, steps_per_epoch)
        return built

    def batches(self, epoch: int, first: int) -> Iterator[MetaBatch]:
        """Both batches of every step of an epoch."""
        basic = stretch(self._loader, self.batches_per_epoch, epoch, first)
        meta = stretch(self._meta_loader, self.batches_per_epoch, epoch, first)
        return (MetaBatch(*pair) for pair in zip(basic, meta, strict=True))

    def samples(self, batch: MetaBatch) -> int:
        """Pictures of both batches."""
        return len(batch.basic.labels) + len(batch.meta.labels)

    def losses(self, network: nn.Module, batch: MetaBatch, at: Position) -> dict[str, Tensor]:
        """Weighted losses under their names behind ``train_``, ``mtrain_`` (without gradient) and ``mtest_``."""
        parameters = dict(network.named_parameters())
        gates = {name: parameters[name] for name in self._gates}
        with torch.no_grad():
            for gate in gates.values():
                gate.clamp_(0, 1)
        held = {name: gate.detach() for name, gate in gates.items()}
        values = self._values(BASIC, network, held, batch.basic, self._domains[0])
        if at.step < self._warmup:
            return values
        first, second = self._halves(batch.meta, at.step)
        with held_statistics(network):
            with without_autocast(next(iter(gates.values())).device):  # its gradient is not scaled
                inner = self._values(META_TRAIN, network, {}, first, self._domains[1])
                moved = self._moved(gates, torch.stack(list(inner.values())).sum(), at.step)
            fixed = {name: value.detach() for name, value in parameters.items() if name not in gates}
            outer = self._values(META_TEST, network, {**fixed, **moved}, second, self._domains[1])
        return {**values, **{name: value.detach() for name, value in inner.items()}, **outer}

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """What the configuration's metrics say of a network; nothing if it has none."""
        return self._evaluate(network) if self._evaluate is not None else {}

    def _values(
        self, part: str, network: nn.Module, replaced: Mapping[str, Tensor], batch: Batch, domains: Tensor
    ) -> dict[str, Tensor]:
        """Losses of a batch by a network with some parameters replaced."""
        device = next(self.modules[MODEL].parameters()).device
        images, labels = batch.images.to(device), batch.labels.to(device)
        outputs = gathered(functional_call(network, dict(replaced), (images, labels)))
        outputs[DOMAINS] = domains[batch.indices].to(device)
        loss = self.modules[LOSS].get_submodule(f"of_{part}")
        return {f"{part}_{name}": value for name, value in loss(outputs, labels).items()}

    def _moved(self, gates: Mapping[str, Tensor], loss: Tensor, step: int) -> dict[str, Tensor]:
        """The gates after a step down ``loss``; the step itself has no gradient."""
        assert self._inner is not None
        assert self._gate_rates is not None
        rate = self._gate_rates.rate(step) * self._inner.rate(step)
        shares = parameter_rules(self.modules[MODEL])
        slopes = torch.autograd.grad(loss, list(gates.values()))
        return {
            name: (gate - rate * shares[name].lr * slope).clamp(0, 1)
            for (name, gate), slope in zip(gates.items(), slopes, strict=True)
        }

    def _halves(self, batch: Batch, step: int) -> tuple[Batch, Batch]:
        """The pictures of one half of the cameras of a batch, and the rest.

        Raises:
            ValueError: if the batch is of one camera.
        """
        domains = self._domains[1][batch.indices]
        names = np.unique(domains.numpy())
        if len(names) < 2:
            raise ValueError("a batch of DataLoader.Metalearning is of one camera: use DomainShuffleBatchSampler")
        chosen = np.random.default_rng([self._seed, step]).permutation(names)[: len(names) // 2]
        mask = torch.isin(domains, torch.from_numpy(chosen))
        return (
            Batch(batch.images[mask], batch.labels[mask], batch.indices[mask]),
            Batch(batch.images[~mask], batch.labels[~mask], batch.indices[~mask]),
        )
