"""Arrays in HTTP bodies: the .npy format (NEP 1), which states shape and dtype and needs no pickle."""

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenspeckle.arrays import read_npy_header
from services.common.errors import Malformed, Unprocessable

MEDIA_TYPE = "application/x-npy"


def encode_npy(array: NDArray[Any]) -> bytes:
    """Bytes of an array, C order."""
    ordered = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(ordered))
    # Joined once: the library's own writer copies the pixels of a request three times.
    return b"".join((header.getvalue(), ordered.data))


def decode_npy(
    body: bytes, dtype: type[np.generic], shape: tuple[int | None, ...], field: str = "body"
) -> NDArray[Any]:
    """Read an array and check what it is.

    Args:
        dtype: the only dtype accepted.
        shape: expected extents; None where any is good.

    Raises:
        Malformed: if the bytes are no .npy array.
        Unprocessable: if dtype or shape differ, or a float is not finite.
    """
    stream = io.BytesIO(body)
    try:
        got_shape, fortran, got = read_npy_header(stream)
    except Exception as error:
        raise Malformed(f"not an array in .npy format: {error}", field) from error
    wanted = np.dtype(dtype)
    fits = len(got_shape) == len(shape) and all(w is None or w == g for w, g in zip(shape, got_shape, strict=True))
    if got != wanted or fortran or not fits:
        raise Unprocessable(f"expected {wanted} {shape} in C order, got {got} {got_shape}", field)
    if math.prod(got_shape) * wanted.itemsize != len(body) - stream.tell():
        raise Malformed("the array is shorter or longer than its header says", field)
    array: NDArray[Any] = np.frombuffer(body, wanted, offset=stream.tell()).reshape(got_shape)
    if wanted.kind == "f" and not np.isfinite(array).all():
        raise Unprocessable("holds values that are not finite", field)
    return array
