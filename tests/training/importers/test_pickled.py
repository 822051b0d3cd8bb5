import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.importers.pickled import NotAWeightFile, load_arrays

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "scalar": np.array(3, np.int64),
    "big endian": np.arange(3, dtype=">f4"),
    "flags": np.array([True, False]),
    "all bytes": np.arange(256, dtype=np.uint8),
}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_are_read_as_they_were_written(protocol: int) -> None:
    read = load_arrays(pickle.dumps(ARRAYS, protocol=protocol))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


def test_names_of_numpy_1_are_understood() -> None:
    written = pickle.dumps(ARRAYS, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    np.testing.assert_array_equal(load_arrays(written)["conv.weight"], ARRAYS["conv.weight"])


def test_what_stands_beside_the_arrays_is_kept() -> None:
    beside = {"names": {"a": "b"}, "list": [1, 2.5, None, True], "tuple": (1, (2,), ()), "big": 1 << 40}
    assert load_arrays(pickle.dumps(beside, protocol=4)) == beside


class Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def hostile(path: Path) -> dict[str, bytes]:
    """Pickles that make the file ``path`` when Python's own unpickler reads them."""
    write = f"open({str(path)!r}, 'w').close()"
    touch = f"touch {path}"
    objects = {
        "os.system": Calls(os.system, touch),
        "builtins.eval": Calls(builtins.eval, write),
        "builtins.exec": Calls(builtins.exec, write),
        "nested in a dictionary": {"fc.weight": ARRAYS["scalar"], "deep": {"er": [Calls(os.system, touch)]}},
        "as an argument of a call": Calls(np.dtype, Calls(builtins.eval, f"{write} or 'f4'")),
        "numpy.load": Calls(np.load, Calls(builtins.eval, f"{write} or '/dev/null'")),
        "getattr": Calls(getattr, Calls(__import__, "os"), "system"),
    }
    pickles = {name: pickle.dumps(value, protocol=4) for name, value in objects.items()}
    pickles |= {f"{name}, protocol 2": pickle.dumps(value, protocol=2) for name, value in objects.items()}
    pickles["INST"] = b"(S'" + touch.encode() + b"'\nios\nsystem\n."
    pickles["OBJ"] = b"(cos\nsystem\nS'" + touch.encode() + b"'\no."
    pickles["attribute of an allowed module"] = b"cnumpy.core.multiarray\n_reconstruct.__globals__\n."
    return pickles


def test_pythons_own_unpickler_would_execute_them(tmp_path: Path) -> None:
    made = tmp_path / "made"
    pickle.loads(hostile(made)["builtins.eval"])
    assert made.exists()


@pytest.mark.parametrize("name", list(hostile(Path("x"))))
def test_nothing_in_a_hostile_pickle_is_executed(name: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(NotAWeightFile):
        load_arrays(hostile(made)[name])
    assert not made.exists()


def test_the_error_names_what_the_file_asks_for() -> None:
    with pytest.raises(NotAWeightFile, match=r"posix\.system, which weights do not need; nothing was executed \(byte"):
        load_arrays(pickle.dumps(Calls(os.system, "true"), protocol=4))


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(NotAWeightFile, match="'O8' are not read"):
        load_arrays(pickle.dumps({"a": np.array([None])}, protocol=4))


def test_an_array_may_not_be_larger_than_its_bytes() -> None:
    written = pickle.dumps({"a": np.zeros((7, 3), np.float32)}, protocol=4)
    assert written.count(b"K\x07K\x03\x86") == 1
    with pytest.raises(NotAWeightFile, match=r"shape \(255, 255\) and type float32 has 84 bytes"):
        load_arrays(written.replace(b"K\x07K\x03\x86", b"K\xffK\xff\x86"))


def test_references_to_references_stay_small() -> None:
    """Each list holds the one before ten times: 10^100 items if anything walked through them."""
    bomb: list[object] = []
    for _ in range(100):
        bomb = [bomb] * 10
    written = pickle.dumps({"a": bomb}, protocol=4)
    assert len(written) < 5000
    read = load_arrays(written)["a"]
    assert all(item is read[0] for item in read)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a pickle, or cut off"),
        (b"PK\x03\x04 a zip", "not a pickle"),
        (b"\x80\x04.", "wrong kind"),
        (b"\x80\x04K\x01.", "no dictionary"),
        (b"\x80\x04}", "cut off"),
        (b"\x80\x04h\x05.", "before it was stored"),
        (b"\x80\x04e.", "no beginning"),
        (b"\x80\x04(.", "wrong kind"),
        (b"\x80\x04}K\x01K\x02s.", "not text"),
        (b"\x80\x04}(X\x01\x00\x00\x00au.", "not text"),
        (b"\x80\x02}c__builtin__\neval\nX\x01\x00\x00\x001\x85Rs.", "builtin__.eval"),
        (b"\x80\x02\x8a\xff" + b"\xff" * 3, "cut off"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f.", "cut off"),
    ],
)
def test_broken_pickles_are_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(NotAWeightFile, match=message):
        load_arrays(data)


WHOLE = pickle.dumps(ARRAYS, protocol=4)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_truncated_pickle_is_refused(length: int) -> None:
    with pytest.raises(NotAWeightFile):
        load_arrays(WHOLE[:length])


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=300)
def test_a_changed_pickle_is_read_or_refused_and_nothing_else(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for position, value in changes:
        data[position] = value
    try:
        read = load_arrays(bytes(data))
    except NotAWeightFile:
        return
    assert sum(array.nbytes for array in read.values() if isinstance(array, np.ndarray)) <= len(data)
