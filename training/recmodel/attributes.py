"""The old files' ``weight_attr`` and ``bias_attr``: how a parameter starts, and its share of the learning rate."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from training.registry import Registry

Attribute = Mapping[str, Any] | bool | None
"""``{"initializer": {"name": ..., ...}, "learning_rate": share}``; False for no parameter; None or True for the
default."""

INITIALIZERS: Registry[None] = Registry("initializer")
"""Initialisers ``(parameter, **options)`` that write into a parameter; matrices are (outputs, inputs)."""


def start(module: nn.Module, name: str, attribute: Attribute, default: Mapping[str, Any]) -> None:
    """Initialise the parameter ``name`` of ``module`` and note its share of the learning rate.

    Raises:
        ValueError: for an unknown key, initialiser or option.
    """
    given = dict(attribute) if isinstance(attribute, Mapping) else {}
    unknown = set(given) - {"initializer", "learning_rate"}
    if unknown:
        raise ValueError(f"unknown attribute {', '.join(sorted(unknown))}; there are initializer and learning_rate")
    INITIALIZERS.build(given.get("initializer") or default, parameter=module.get_parameter(name).data)
    if "learning_rate" in given:
        shares: dict[str, float] = getattr(module, "lr_multipliers", {})
        module.__dict__["lr_multipliers"] = {**shares, name: float(given["learning_rate"])}


@INITIALIZERS.register("Constant")
def constant(parameter: Tensor, value: float = 0.0) -> None:
    """``value`` everywhere."""
    nn.init.constant_(parameter, value)


@INITIALIZERS.register("Normal")
def normal(parameter: Tensor, mean: float = 0.0, std: float = 1.0) -> None:
    """Normal numbers."""
    nn.init.normal_(parameter, mean, std)


@INITIALIZERS.register("TruncatedNormal")
def truncated_normal(parameter: Tensor, mean: float = 0.0, std: float = 1.0) -> None:
    """Normal numbers within two standard deviations."""
    nn.init.trunc_normal_(parameter, mean, std, mean - 2 * std, mean + 2 * std)


@INITIALIZERS.register("Uniform")
def uniform(parameter: Tensor, low: float = -1.0, high: float = 1.0) -> None:
    """Uniform numbers."""
    nn.init.uniform_(parameter, low, high)


@INITIALIZERS.register("XavierNormal")
def xavier_normal(parameter: Tensor) -> None:
    """Normal numbers of variance 2 / (inputs + outputs)."""
    nn.init.xavier_normal_(parameter)


@INITIALIZERS.register("XavierUniform")
def xavier_uniform(parameter: Tensor) -> None:
    """Uniform numbers of variance 2 / (inputs + outputs)."""
    nn.init.xavier_uniform_(parameter)


@INITIALIZERS.register("KaimingNormal")
def kaiming_normal(
    parameter: Tensor, fan_in: int | None = None, negative_slope: float = 0.0, nonlinearity: str = "relu"
) -> None:
    """Normal numbers of variance gain^2 / ``fan_in``, by default the number of inputs."""
    nn.init.normal_(parameter, 0, _kaiming_deviation(parameter, fan_in, negative_slope, nonlinearity))


@INITIALIZERS.register("KaimingUniform")
def kaiming_uniform(
    parameter: Tensor, fan_in: int | None = None, negative_slope: float = 0.0, nonlinearity: str = "relu"
) -> None:
    """Uniform numbers of variance gain^2 / ``fan_in``, by default the number of inputs."""
    bound = math.sqrt(3) * _kaiming_deviation(parameter, fan_in, negative_slope, nonlinearity)
    nn.init.uniform_(parameter, -bound, bound)


def _kaiming_deviation(parameter: Tensor, fan_in: int | None, negative_slope: float, nonlinearity: str) -> float:
    inputs = fan_in or math.prod(parameter.shape[1:])
    gain = nn.init.calculate_gain(nonlinearity, negative_slope)  # type: ignore[arg-type]
    return gain / math.sqrt(inputs)
