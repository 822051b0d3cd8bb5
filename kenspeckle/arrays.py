"""Arrays in .npy and .npz form (NEP 1), read by any number of threads at once; pickled ones are refused."""

import math
import threading
import zipfile
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

# NumPy reads a header as a syntax tree, and CPython 3.11 keeps the depth of trees once for all threads: a second
# reader at the wrong moment makes a good header fail with a SystemError (python/cpython#106905).
_ONE_AT_A_TIME = threading.Lock()


def read_npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the order is Fortran's, and dtype; the stream then stands at the first element.

    Raises:
        ValueError: if the bytes are no header; other exceptions of NumPy's reader for broken ones.
    """
    with _ONE_AT_A_TIME:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(stream)


def read_npz(stream: IO[bytes]) -> dict[str, NDArray[Any]]:
    """All arrays of an archive by name; checksums are verified.

    Raises:
        ValueError: if an array is pickled, or shorter or longer than its header says; other exceptions of the readers
            of archives and headers for broken bytes.
    """
    with zipfile.ZipFile(stream) as archive:
        names = (name for name in archive.namelist() if name.endswith(".npy"))
        return {name.removesuffix(".npy"): _read(archive, name) for name in names}


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as member:
        shape, fortran, dtype = read_npy_header(member)
        if dtype.hasobject:
            raise ValueError(f"{name} holds pickled objects")
        if archive.getinfo(name).file_size - member.tell() != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} is shorter or longer than its header says")
        array = np.empty(math.prod(shape), dtype)
        if array.nbytes:
            cast(zipfile.ZipExtFile, member).readinto(array.view(np.uint8).data)
    return array.reshape(shape, order="F" if fortran else "C")
