"""The weighted losses of a configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from training.losses.registry import LOSSES
from training.numerics import without_autocast


class CombinedLoss(nn.Module):
    """Losses with weights, from the list of a configuration: ``[{"CELoss": {"weight": 1.0, "epsilon": 0.1}}, ...]``.

    Args:
        config: one mapping per loss, its name to its parameters; ``weight`` is one of them and must be there.
        single_weight_ignored: a loss that stands alone counts with weight 1, as in the old stack. Old results with
            a single weight other than 1 need it.

    Raises:
        ValueError: if the list is empty, an entry is no such mapping or its weight is missing or no number, or a name
            or parameter is unknown (``UnknownName``).
    """

    def __init__(
        self, config: Sequence[Mapping[str, Mapping[str, Any] | None]], single_weight_ignored: bool = False
    ) -> None:
        super().__init__()
        if not config:
            raise ValueError("there is no loss; give at least one, for example CELoss: {weight: 1.0}")
        self.losses = nn.ModuleDict()
        self.weights: dict[str, float] = {}
        for entry in config:
            name, weight, options = _parse(entry)
            key = name if name not in self.losses else f"{name}_{len(self.losses)}"
            self.losses[key] = LOSSES.build({"name": name, **options})
            self.weights[key] = weight
        if single_weight_ignored and len(self.weights) == 1:
            self.weights = dict.fromkeys(self.weights, 1.0)

    def forward(self, outputs: Mapping[str, Any], labels: Tensor) -> dict[str, Tensor]:
        """The weighted value of every loss by its name (a second loss of one name gets its place added); the loss of
        the batch is their sum. Counted in full precision, under autocast too.

        Raises:
            ValueError: if a loss gives one value per picture (``reduction: none``).
        """
        with without_autocast(labels.device):
            values = {name: self.weights[name] * loss(outputs, labels) for name, loss in self.losses.items()}
        for name, value in values.items():
            if value.ndim:
                raise ValueError(f"{name} gives one value per picture; set its reduction to mean or sum")
        return values


def _parse(entry: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, float, dict[str, Any]]:
    """Name, weight and parameters of one entry."""
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise ValueError(f"a loss is written as NAME: {{weight: 1.0, ...}}, one per list entry; this is {entry!r}")
    name, given = next(iter(entry.items()))
    options = dict(given or {})
    if "weight" not in options:
        raise ValueError(f"{name} has no weight; add weight: 1.0 to its parameters")
    weight = options.pop("weight")
    if not isinstance(weight, int | float):
        raise ValueError(f"the weight of {name} is {weight!r}; it must be a number")
    return name, float(weight), options
