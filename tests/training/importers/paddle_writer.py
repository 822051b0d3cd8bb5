"""Writes Paddle's files as the published layouts say, for the tests of their readers."""

import struct
from collections.abc import Iterable

import numpy as np
from torch import nn


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tensor_record(array: np.ndarray, kind: int = 5, packed: bool = False) -> bytes:
    sizes = [varint(size) for size in array.shape]
    dims = b"\x12" + varint(sum(map(len, sizes))) + b"".join(sizes) if packed else b"".join(b"\x10" + s for s in sizes)
    description = b"\x08" + varint(kind) + dims
    return struct.pack("<IQIi", 0, 0, 0, len(description)) + description + array.tobytes()


def pdiparams(arrays: Iterable[np.ndarray]) -> bytes:
    return b"".join(tensor_record(array) for array in arrays)


def paddle_name(name: str) -> str:
    """Paddle's name of a tensor."""
    return name.replace(".running_mean", "._mean").replace(".running_var", "._variance")


def paddle_arrays(net: nn.Module) -> dict[str, np.ndarray]:
    """The state of ``net`` as Paddle keeps it: other names of batch-norm statistics, matrices as (in, out)."""
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    return {paddle_name(k): (v.T if v.ndim == 2 else v).numpy().copy() for k, v in state.items()}
