"""Readers of Paddle's weight files: ``.pdparams`` (training) and ``.pdiparams`` (inference).

Formats as Paddle 2.x writes them: a pickled dictionary of arrays; records of a small header, a protobuf tensor
description and raw data, in sorted order of the internal variable names, which are not in the file.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.importers.pickled import MAX_DIMENSIONS, NotAWeightFile, load_arrays

INTERNAL_NAMES = "StructuredToParameterName@@"
MAX_FILE_BYTES = 4 << 30
MAX_DESCRIPTION_BYTES = 1 << 10
MAX_TENSORS = 100_000
# VarType of Paddle's framework.proto.
ITEM_TYPES = {0: "?", 1: "<i2", 2: "<i4", 3: "<i8", 4: "<f2", 5: "<f4", 6: "<f8", 20: "<u1", 21: "<i1"}

Arrays = dict[str, NDArray[Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class PaddleParams:
    """Content of a ``.pdparams``: arrays by structured name, and the framework's internal name of each, if stored."""

    arrays: Arrays
    internal: dict[str, str]


def read_pdparams(path: Path) -> PaddleParams:
    """Read a ``.pdparams`` file without executing anything in it.

    Returns:
        Read-only arrays under names such as ``backbone.conv1.conv.weight``; linear weights are ``(in, out)``.

    Raises:
        NotAWeightFile: if the file is broken, cut off, too large, or holds something other than arrays.
    """
    content = _located(path, load_arrays)
    internal = content.pop(INTERNAL_NAMES, {})
    others = [name for name, value in content.items() if not isinstance(value, np.ndarray)]
    if others:
        raise NotAWeightFile(f"{path}: {others[0]!r} is not an array; is this a .pdopt or .pdstates file?")
    texts = internal.values() if isinstance(internal, dict) else [None]
    if any(not isinstance(text, str) for text in texts):
        raise NotAWeightFile(f"{path}: the table of internal names is broken")
    return PaddleParams(content, internal)


def read_pdiparams(path: Path) -> list[NDArray[Any]]:
    """Read the tensors of a ``.pdiparams`` file, in the order of the file (sorted internal names).

    Raises:
        NotAWeightFile: if the file is broken, cut off or too large.
    """
    return _located(path, _records)


def read_info(path: Path) -> dict[str, str]:
    """Read the ``.pdiparams.info`` that stands beside an inference file: structured name to internal name.

    Raises:
        NotAWeightFile: if the file is broken, or holds anything else.
    """
    names: dict[str, str] = {}
    for internal, facts in _located(path, load_arrays).items():
        structured = facts.get("structured_name", internal) if isinstance(facts, dict) else None
        if not isinstance(structured, str):
            raise NotAWeightFile(f"{path}: {internal!r} has no structured name")
        names[structured] = internal
    return names


def _located(path: Path, parse: Callable[[bytes], T]) -> T:
    """``parse`` of the file's bytes, with the path in front of what is wrong."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise NotAWeightFile(f"{path}: {size} bytes are more than the {MAX_FILE_BYTES} that are read")
    try:
        return parse(path.read_bytes())
    except NotAWeightFile as error:
        raise NotAWeightFile(f"{path}: {error}") from None


def _records(data: bytes) -> list[NDArray[Any]]:
    tensors: list[NDArray[Any]] = []
    position = 0
    if not data:
        raise NotAWeightFile("the file is empty")
    while position < len(data):
        if len(tensors) == MAX_TENSORS:
            raise NotAWeightFile(f"more than {MAX_TENSORS} tensors")
        try:
            tensor, position = _record(data, position)
        except (struct.error, IndexError):
            raise NotAWeightFile(f"cut off in tensor {len(tensors)} (byte {position})") from None
        except NotAWeightFile as error:
            raise NotAWeightFile(f"{error} (tensor {len(tensors)}, byte {position})") from None
        tensors.append(tensor)
    return tensors


def _record(data: bytes, position: int) -> tuple[NDArray[Any], int]:
    """One tensor and where the next begins: version, level of detail, version, length, description, raw data."""
    version, levels, tensor_version, length = struct.unpack_from("<IQIi", data, position)
    if version or levels or tensor_version:
        raise NotAWeightFile("not a tensor record of a known version")
    if not 0 < length <= MAX_DESCRIPTION_BYTES:
        raise NotAWeightFile(f"a tensor description of {length} bytes")
    position += struct.calcsize("<IQIi")
    description = data[position : position + length]
    position += length
    kind, shape = _tensor_description(description)
    if kind not in ITEM_TYPES:
        raise NotAWeightFile(f"tensors of type {kind} are not read")
    if len(shape) > MAX_DIMENSIONS or 0 in shape:
        raise NotAWeightFile(f"a tensor of shape {tuple(shape)}")
    dtype = np.dtype(ITEM_TYPES[kind])
    count = math.prod(shape)
    if count * dtype.itemsize > len(data) - position:
        raise NotAWeightFile(f"cut off: a tensor of shape {tuple(shape)} goes beyond the end")
    tensor = np.frombuffer(data, dtype, count, position).reshape(shape)
    return tensor, position + count * dtype.itemsize


def _tensor_description(data: bytes) -> tuple[int, list[int]]:
    """Type and sizes: protobuf fields 1 (varint) and 2 (repeated varint, packed or not)."""
    kind, shape, position = -1, [], 0
    while position < len(data):
        key, position = _varint(data, position)
        if key == 1 << 3:
            kind, position = _varint(data, position)
        elif key == 2 << 3:
            size, position = _varint(data, position)
            shape.append(size)
        elif key == 2 << 3 | 2:
            length, position = _varint(data, position)
            end = position + length
            if end > len(data):
                raise NotAWeightFile("a tensor description is cut off")
            while position < end:
                size, position = _varint(data, position)
                shape.append(size)
        else:
            raise NotAWeightFile("a tensor description has unknown fields")
    return kind, shape


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise NotAWeightFile("a number of more than 64 bits")
