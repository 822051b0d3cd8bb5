"""Paddle's arrays as torch tensors under our names, which are Paddle's but for the statistics of batch norm."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}


def torch_state(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Tensors of a training checkpoint, for ``load_state_dict``.

    Batch-norm statistics are renamed; matrices, which Paddle keeps as (in, out), are transposed; the merged
    convolutions that PP-LCNetV2 keeps beside its live branches are left out.
    """
    branched = {name.split("dw_conv_list.")[0] for name in arrays if "dw_conv_list." in name}
    leftovers = {f"{block}dw_conv.{part}" for block in branched for part in ("weight", "bias")}
    return {torch_name(name): torch_tensor(array) for name, array in arrays.items() if name not in leftovers}


def torch_name(name: str) -> str:
    """Our name of a tensor."""
    path, _, leaf = name.rpartition(".")
    return f"{path}.{STATISTICS[leaf]}" if leaf in STATISTICS else name


def torch_tensor(array: NDArray[Any]) -> Tensor:
    """A tensor of its own memory, matrices as (out, in)."""
    native = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(np.ascontiguousarray(native.T if native.ndim == 2 else native))
