"""Arrays in bodies: what is read is what was meant, and nothing else is read."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.common.errors import Malformed, ServiceError, Unprocessable
from services.common.tensors import decode_npy, encode_npy


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)))
def test_an_array_comes_out_as_it_went_in(array: np.ndarray) -> None:
    got = decode_npy(encode_npy(array), np.uint8, (None, array.shape[1]))
    assert got.shape == array.shape
    assert (got == array).all()


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0)))
def test_the_bytes_are_those_that_numpy_saves(array: np.ndarray) -> None:
    stream = io.BytesIO()
    np.save(stream, array)
    assert encode_npy(array) == stream.getvalue()
    assert encode_npy(array.T) == encode_npy(np.ascontiguousarray(array.T))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(ServiceError):
        decode_npy(content, np.uint8, (None,))


@given(st.data())
def test_a_damaged_array_is_refused_or_still_of_the_asked_kind(data: st.DataObject) -> None:
    content = bytearray(encode_npy(np.arange(24, dtype=np.float32).reshape(4, 6)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        got = decode_npy(bytes(content), np.float32, (None, 6))
    except ServiceError:
        return
    assert got.dtype == np.float32
    assert got.shape == (4, 6)
    assert np.isfinite(got).all()


@pytest.mark.parametrize(
    ("array", "dtype", "shape"),
    [
        (np.zeros((2, 3), np.float64), np.float32, (None, 3)),
        (np.zeros((2, 3), np.float32), np.float32, (None, 4)),
        (np.zeros((2, 3), np.float32), np.float32, (None,)),
        (np.zeros((2, 3), ">f4"), np.float32, (None, 3)),
        (np.array([[np.nan]], np.float32), np.float32, (None, 1)),
        (np.array([[np.inf]], np.float32), np.float32, (None, 1)),
    ],
    ids=["dtype", "extent", "dimensions", "byte order", "not a number", "infinite"],
)
def test_another_array_than_asked_for_is_unprocessable(
    array: np.ndarray, dtype: type[np.generic], shape: tuple[int | None, ...]
) -> None:
    with pytest.raises(Unprocessable):
        decode_npy(encode_npy(array), dtype, shape)


def test_column_order_is_not_read_as_row_order() -> None:
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)))
    with pytest.raises(Unprocessable):
        decode_npy(stream.getvalue(), np.uint8, (2, 3))


def test_pickled_objects_are_never_loaded() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises((Malformed, Unprocessable)):
        decode_npy(stream.getvalue(), np.uint8, (None,))
