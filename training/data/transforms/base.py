"""What a transform is, and chains of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.registry import Registry

Pixels = NDArray[Any]
"""An image: ``(H, W, 3)`` RGB, uint8 or float32 of 0…255 before normalising; ``(3, H, W)`` after ToCHWImage."""

Transform = Callable[[Any, np.random.Generator], Pixels]
"""Gives a new image; whatever is random about it comes from the generator alone."""

TRANSFORMS: Registry[Transform] = Registry("transform")

Op = Mapping[str, Mapping[str, Any] | None]
Ops = Sequence[Op]
"""Transforms as a configuration has them: ``[{Name: {parameter: value}}, …]``, None for no parameters."""


def build_steps(ops: Ops) -> list[Transform]:
    """Build each transform.

    Raises:
        ValueError: if an entry is not one name with its parameters, or a parameter's value is not possible.
        UnknownName: for an unknown name or parameter, with the near ones.
    """
    return [_build(op) for op in ops]


def _build(op: Op) -> Transform:
    if len(op) != 1:
        raise ValueError(f"a transform is one name with its parameters, got {dict(op)!r}")
    ((name, parameters),) = op.items()
    return TRANSFORMS.build({**(parameters or {}), "name": name})


def pair(value: int | Sequence[int], what: str) -> tuple[int, int]:
    """Width and height from a number (square) or from ``[width, height]``.

    Raises:
        ValueError: if it is neither, or not positive.
    """
    sides = (value, value) if isinstance(value, int) else tuple(value)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"{what}: wanted a positive number or [width, height], got {value!r}")
    return sides[0], sides[1]
