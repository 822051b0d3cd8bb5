"""Optimisers under the names and keys of the old YAML, with its rules of what decays.

Decay of SGD, Momentum, Adam and RMSProp is coupled (added to the gradient), that of AdamW decoupled. ``regularizer``
wins over ``weight_decay``. ``clip_norm`` clips every tensor on its own, ``clip_norm_global`` all together, both before
the decay is added.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from training.config.scalars import number
from training.engine.optimisation import Optimisation
from training.engine.parameters import ParameterRule, parameter_rules
from training.engine.rmsprop import RMSProp
from training.engine.schedules import build_schedule
from training.registry import Registry, UnknownName

Groups = list[dict[str, Any]]
OPTIMISERS: Registry[torch.optim.Optimizer] = Registry("optimiser")
NEUTRAL = {"multi_precision", "multi_tensor", "lazy_mode"}
"""Keys that old files carry and that change nothing here."""


@OPTIMISERS.register("SGD")
def sgd(groups: Groups, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """Plain gradient descent."""
    return torch.optim.SGD(groups, lr=0.0, weight_decay=weight_decay)


@OPTIMISERS.register("Momentum")
def momentum_sgd(
    groups: Groups, momentum: float = 0.9, use_nesterov: bool = False, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """v = momentum v + g; w = w - lr v, or with Nesterov w - lr (g + momentum v)."""
    return torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=use_nesterov, weight_decay=weight_decay)


@OPTIMISERS.register("Adam")
def adam(
    groups: Groups, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015)."""
    return torch.optim.Adam(groups, lr=0.0, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay)


@OPTIMISERS.register("AdamW", "AdamWDL")
def adamw(
    groups: Groups, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 0.01
) -> torch.optim.Optimizer:
    """Adam with decoupled decay (Loshchilov and Hutter, 2019)."""
    return torch.optim.AdamW(groups, lr=0.0, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay)


@OPTIMISERS.register("RMSProp")
def rmsprop(
    groups: Groups, momentum: float = 0.0, rho: float = 0.95, epsilon: float = 1e-6, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """See ``RMSProp``."""
    return RMSProp(groups, lr=0.0, momentum=momentum, rho=rho, epsilon=epsilon, weight_decay=weight_decay)


@dataclass(frozen=True)
class _Named:
    """A trainable parameter, its name ``module.parameter`` and its rule."""

    name: str
    tensor: nn.Parameter
    rule: ParameterRule


def build_optimisations(
    config: Mapping[str, Any] | Sequence[Mapping[str, Mapping[str, Any]]],
    modules: Mapping[str, nn.Module],
    epochs: int,
    steps_per_epoch: int,
) -> list[Optimisation]:
    """Build the ``Optimizer`` section of an old YAML for the trainable parameters of ``modules``.

    Args:
        config: one optimiser for everything, or a list ``[{Name: {scope, lr, ...}}]``. A scope is ``all``, the class of
            a module (``RecModel``, ``CenterLoss``), an attribute path (``backbone``) or a regular expression that
            whole names of modules match.
        modules: as of ``Task``; parameters of losses take part.

    Raises:
        UnknownName: for unknown optimisers, schedules and keys.
        ValueError: if a scope finds nothing to train, or two scopes claim one parameter.
    """
    parameters = [
        _Named(f"{name}.{key}", module.get_parameter(key), rule)
        for name, module in modules.items()
        for key, rule in parameter_rules(module).items()
    ]
    if isinstance(config, Mapping):
        return [_optimisation(dict(config), parameters, epochs, steps_per_epoch)]
    built, taken = [], set[str]()
    for entry in config:
        for name, options in entry.items():
            options = {"name": name, **options}
            scope = options.pop("scope", "all")
            chosen = [p for p in parameters if scope == "all" or _inside(p.name, _scope_prefixes(scope, modules))]
            twice = taken.intersection(p.name for p in chosen)
            if not chosen or twice:
                why = f"claims {min(twice)}, which another scope has" if twice else "matches nothing that is trained"
                raise ValueError(f"Optimizer: scope {scope!r} {why}")
            taken.update(p.name for p in chosen)
            built.append(_optimisation(options, chosen, epochs, steps_per_epoch))
    return built


def _scope_prefixes(scope: str, modules: Mapping[str, nn.Module]) -> list[str]:
    """Names of the modules that a scope means; those of an exact name or class go before the regular expression."""
    named = [
        (outer, inner, module) for outer, root in modules.items() for inner, module in root.named_modules() if inner
    ]
    exact = [name for name, root in modules.items() if scope in (name, type(root).__name__)]
    exact += [f"{outer}.{inner}" for outer, inner, module in named if scope in (inner, type(module).__name__)]
    return exact or [f"{outer}.{inner}" for outer, inner, module in named if _matches(scope, inner, module)]


def _matches(scope: str, name: str, module: nn.Module) -> bool:
    """Whether a regular expression is the name of a module, or of the layer that it had within in the old stack."""
    within = getattr(module, "old_name", None)
    return bool(re.fullmatch(scope, name) or (within and re.fullmatch(scope, f"{name}.{within}")))


def _inside(parameter: str, prefixes: Iterable[str]) -> bool:
    return any(parameter.startswith(f"{prefix}.") for prefix in prefixes)


def _optimisation(options: dict[str, Any], parameters: list[_Named], epochs: int, steps: int) -> Optimisation:
    options = {key: value for key, value in options.items() if key not in NEUTRAL}
    name = options.pop("name", "Momentum")
    rate = options.pop("lr", options.pop("learning_rate", 0.001))
    clips = _take_clips(options)
    l1 = _take_regularizer(options)
    exempt = _take_exemptions(options)
    scale = _take_layer_scale(options) if name == "AdamWDL" else lambda _: 1.0
    sorted_out: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in parameters:
        key = (parameter.rule.lr * scale(parameter.name), parameter.rule.decays and not exempt(parameter))
        sorted_out.setdefault(key, []).append(parameter.tensor)
    groups: Groups = []
    for (lr_scale, decays), tensors in sorted_out.items():
        held = {"l1": l1} if decays else {"l1": 0.0, "weight_decay": 0.0}
        groups.append({"params": tensors, "lr_scale": lr_scale, **held})
    optimizer = OPTIMISERS.build({"name": name, **options}, groups=groups)
    return Optimisation(optimizer, build_schedule(rate, epochs, steps), **clips)


def _take_clips(options: dict[str, Any]) -> dict[str, float | None]:
    """Both kinds of clipping, from ``clip_norm``, ``clip_norm_global`` and ``grad_clip {name, clip_norm}``."""
    each, together = options.pop("clip_norm", None), options.pop("clip_norm_global", None)
    clip = options.pop("grad_clip", None)
    if clip:
        if clip.get("name") not in ("ClipGradByNorm", "ClipGradByGlobalNorm"):
            raise UnknownName("grad_clip", str(clip.get("name")), ["ClipGradByNorm", "ClipGradByGlobalNorm"])
        each, together = (
            (clip["clip_norm"], together) if clip["name"] == "ClipGradByNorm" else (each, clip["clip_norm"])
        )
    return {"clip_each": each, "clip_all": together}


def _take_regularizer(options: dict[str, Any]) -> float:
    """Turn ``regularizer {name: L1 | L2, coeff}`` into ``weight_decay``; returns the coefficient of L1."""
    regularizer = options.pop("regularizer", None)
    if not regularizer:
        return 0.0
    kind, coefficient = str(regularizer["name"]).removesuffix("Decay"), number(regularizer.get("coeff", 0.0))
    if kind not in ("L1", "L2"):
        raise UnknownName("regularizer", kind, ["L1", "L2"])
    options["weight_decay"] = coefficient if kind == "L2" else 0.0
    return coefficient if kind == "L1" else 0.0


def _take_exemptions(options: dict[str, Any]) -> Callable[[_Named], bool]:
    """Which parameters do not decay: parts of names separated by spaces, and those of one dimension."""
    parts = str(options.pop("no_weight_decay_name", None) or "").split()
    one_dim = bool(options.pop("one_dim_param_no_weight_decay", False))
    return lambda p: (one_dim and p.tensor.ndim == 1) or any(part in p.name for part in parts)


def _take_layer_scale(options: dict[str, Any]) -> Callable[[str], float]:
    """Layer-wise decay of the rate by the number after ``blocks.`` (Clark et al., ELECTRA; Bao et al., BEiT)."""
    decay, layers = float(options.pop("layerwise_decay", 1.0)), int(options.pop("n_layers", 12))

    def scale(name: str) -> float:
        block = re.search(r"blocks\.(\d+)\.", name)
        early = any(part in name for part in ("patch_embed", "pos_embed", "cls_token"))
        layer = int(block.group(1)) + 1 if block else 0 if early else layers + 1
        return decay ** (layers + 1 - layer)

    return scale
