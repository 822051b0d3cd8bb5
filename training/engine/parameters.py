"""What single parameters ask of the optimiser: a share of the learning rate, no weight decay."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class ParameterRule:
    """How the optimiser treats one parameter: ``lr`` times the group's rate, ``decays`` or not."""

    lr: float = 1.0
    decays: bool = True


def parameter_rules(model: nn.Module) -> dict[str, ParameterRule]:
    """The rule of every trainable parameter, by its name.

    Modules state rules as plain attributes that hold for all below them: ``lr_multiplier`` (multiplied along the
    way down), ``decays`` (False anywhere above takes the parameter out of decay) and ``lr_multipliers`` (by the name
    of an own parameter).
    """
    rules: dict[str, ParameterRule] = {}
    _collect(model, "", ParameterRule(), rules)
    return rules


def _collect(module: nn.Module, prefix: str, above: ParameterRule, rules: dict[str, ParameterRule]) -> None:
    here = ParameterRule(
        above.lr * float(getattr(module, "lr_multiplier", 1.0)),
        above.decays and bool(getattr(module, "decays", True)),
    )
    own = getattr(module, "lr_multipliers", {})
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.requires_grad:
            rules[prefix + name] = ParameterRule(here.lr * own.get(name, 1.0), here.decays)
    for name, child in module.named_children():
        _collect(child, f"{prefix}{name}.", here, rules)
