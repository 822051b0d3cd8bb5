"""An interpreter of the few pickle instructions that dictionaries of arrays consist of.

Python's own unpickler calls what a file names. This one calls nothing: it knows about thirty instructions, builds
numbers, text, bytes, tuples, lists and dictionaries, and turns the three names below into arrays by itself. Every other
name or instruction is an error. Memory stays in proportion to the file: nothing is copied more than once.

Source of the instructions: the standard library's ``pickletools`` (protocols 2 to 5).
"""

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECONSTRUCT = frozenset({("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")})
NDARRAY, DTYPE, ENCODE = ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")
ALLOWED = RECONSTRUCT | {NDARRAY, DTYPE, ENCODE}
ITEM_TYPES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "b1"})
MAX_DIMENSIONS = 8


class NotAWeightFile(ValueError):
    """The file is broken, cut off, or asks for something that weights do not need."""


@dataclass(frozen=True)
class _Name:
    """A module and a name in it; only ever compared, never looked up."""

    module: str
    name: str


@dataclass
class _ItemType:
    code: str
    order: str = "="

    def build(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", ">", "|", "=")):
            raise NotAWeightFile("an item type is described in an unknown way")
        self.order = state[1]


@dataclass
class _Array:
    value: NDArray[Any] | None = None

    def build(self, state: Any) -> None:
        match state:
            case (int(), tuple(shape), _ItemType() as kind, bool(fortran), bytes(data)) if len(shape) <= MAX_DIMENSIONS:
                pass
            case _:
                raise NotAWeightFile("an array is described in an unknown way")
        dtype = np.dtype(kind.order + kind.code)
        if any(type(size) is not int or size < 0 for size in shape):
            raise NotAWeightFile(f"an array has the shape {shape}")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise NotAWeightFile(f"an array of shape {shape} and type {dtype} has {len(data)} bytes")
        self.value = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


class _Mark:
    """Where a group of values begins on the stack."""


_MARK = _Mark()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"})
_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"})
_FIXED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_IGNORED = frozenset({"PROTO", "FRAME"})


def load_arrays(data: bytes) -> dict[str, Any]:
    """Return the dictionary that the pickle ``data`` holds: read-only arrays, text, numbers, tuples, lists by name.

    Raises:
        NotAWeightFile: if the data is cut off, broken, or holds anything else.
    """
    machine = _Machine()
    try:
        for opcode, argument, position in pickletools.genops(data):
            if opcode.name == "STOP":
                return _finished(machine.pop())
            try:
                machine.step(opcode.name, argument)
            except NotAWeightFile as error:
                raise NotAWeightFile(f"{error} (byte {position})") from None
    except NotAWeightFile:
        raise
    except (ValueError, OverflowError, UnicodeError) as error:
        raise NotAWeightFile(f"not a pickle, or cut off: {error}") from None
    raise NotAWeightFile("cut off before its end")


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop(self, kind: type | tuple[type, ...] = object) -> Any:
        """Take the top of the stack, which must be of ``kind``."""
        if not self.stack or not isinstance(self.stack[-1], kind) or self.stack[-1] is _MARK:
            raise NotAWeightFile("an instruction finds the wrong kind of value")
        return self.stack.pop()

    def to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        values: list[Any] = []
        while self.stack and self.stack[-1] is not _MARK:
            values.append(self.stack.pop())
        if not self.stack:
            raise NotAWeightFile("a group of values has no beginning")
        self.stack.pop()
        return values[::-1]

    def step(self, name: str, argument: Any) -> None:
        """Execute one instruction."""
        if name in _NUMBERS or name in _TEXTS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _FIXED_TUPLES:
            self.stack.append(tuple(reversed([self.pop() for _ in range(_FIXED_TUPLES[name])])))
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise NotAWeightFile(f"the instruction {name} has no place in a weight file")

    def mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def tuple_(self, _: Any) -> None:
        self.stack.append(tuple(self.to_mark()))

    def append(self, _: Any) -> None:
        value = self.pop()
        self.top(list).append(value)

    def appends(self, _: Any) -> None:
        values = self.to_mark()
        self.top(list).extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def set_items(self, _: Any) -> None:
        self._set(self.to_mark())

    def _set(self, pairs: list[Any]) -> None:
        keys = pairs[::2]
        if len(pairs) % 2 or any(not isinstance(key, str) for key in keys):
            raise NotAWeightFile("a dictionary has keys that are not text")
        self.top(dict).update(zip(keys, pairs[1::2], strict=True))

    def memoize(self, _: Any) -> None:
        self.put(len(self.memo))

    def put(self, index: int) -> None:
        self.memo[index] = self.top()

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise NotAWeightFile("a value is used before it was stored")
        self.stack.append(self.memo[index])

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self.pop(str), self.pop(str)
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        if (module, name) not in ALLOWED:
            raise NotAWeightFile(f"it asks for {module}.{name}, which weights do not need; nothing was executed")
        self.stack.append(_Name(module, name))

    def reduce(self, _: Any) -> None:
        arguments, called = self.pop(tuple), self.pop(_Name)
        self.stack.append(_made(called, arguments))

    def build(self, _: Any) -> None:
        state = self.pop()
        self.top((_Array, _ItemType)).build(state)

    def top(self, kind: type | tuple[type, ...] = object) -> Any:
        """The top of the stack, which must be of ``kind``; it stays there."""
        value = self.pop(kind)
        self.stack.append(value)
        return value


_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "MEMOIZE": _Machine.memoize,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _made(called: _Name, arguments: tuple[Any, ...]) -> Any:
    """What a call amounts to, for the calls that arrays are written with."""
    which = (called.module, called.name)
    if which in RECONSTRUCT and arguments and arguments[0] == _Name(*NDARRAY):
        return _Array()
    if which == DTYPE and arguments and isinstance(arguments[0], str):
        if arguments[0] not in ITEM_TYPES:
            raise NotAWeightFile(f"arrays of type {arguments[0]!r} are not read")
        return _ItemType(arguments[0])
    match arguments:  # protocol 2 writes bytes as text
        case (str(text), "latin1") if which == ENCODE:
            return text.encode("latin1")
    raise NotAWeightFile(f"it calls {called.module}.{called.name} in an unknown way")


def _finished(value: Any) -> dict[str, Any]:
    """The dictionary with arrays in the place of their descriptions."""
    if not isinstance(value, dict):
        raise NotAWeightFile("it holds no dictionary of arrays")
    if any(isinstance(item, _Array) and item.value is None for item in value.values()):
        raise NotAWeightFile("an array has no content")
    return {key: item.value if isinstance(item, _Array) else item for key, item in value.items()}
