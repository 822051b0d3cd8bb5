"""Arrays in archives, read by several threads."""

import io
import struct
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kenspeckle.arrays import read_npz

DTYPES = st.sampled_from(["<f4", "<f2", "u1", "<i8", "?", "<U7", ">f8"])


def saved(**content: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **content)
    return stream.getvalue()


@given(arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, min_side=0)), st.sampled_from("CF"))
def test_an_archive_comes_out_as_numpy_reads_it(array: np.ndarray, order: Any) -> None:
    content = saved(one=np.asarray(array, order=order), two=np.arange(3))
    with np.load(io.BytesIO(content)) as expected:
        read = read_npz(io.BytesIO(content))
        assert list(read) == expected.files
        for name in expected.files:
            np.testing.assert_array_equal(read[name], expected[name])
            assert (read[name].dtype, read[name].flags.writeable) == (expected[name].dtype, True)


def test_pickled_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="pickled"):
        read_npz(io.BytesIO(saved(one=np.array([{}], object))))


@given(st.data())
def test_a_damaged_archive_is_refused_or_gives_what_was_saved(data: st.DataObject) -> None:
    content = bytearray(saved(one=np.arange(40, dtype=np.float32)))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        read = read_npz(io.BytesIO(bytes(content)))
    except Exception:
        return
    for array in read.values():
        np.testing.assert_array_equal(array, np.arange(40, dtype=np.float32))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_byte_of_an_array_can_change_unseen(save: Any) -> None:
    stream = io.BytesIO()
    save(stream, one=np.full(40, 7.5))
    content = stream.getvalue()
    with zipfile.ZipFile(stream) as archive:
        (member,) = archive.infolist()
    start = 30 + sum(struct.unpack("<HH", content[26:30]))  # after the local header, the name and the extra field
    for place in range(start, start + member.compress_size):
        damaged = bytearray(content)
        damaged[place] ^= 16
        try:
            read = read_npz(io.BytesIO(bytes(damaged)))
        except Exception:
            continue
        np.testing.assert_array_equal(read["one"], np.full(40, 7.5))  # a bit that no decompressor looks at


def test_an_array_of_another_length_than_its_header_says_is_refused() -> None:
    member = io.BytesIO()
    np.save(member, np.arange(4.0))
    for content in (member.getvalue()[:-8], member.getvalue() + b"more"):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("one.npy", content)
        with pytest.raises(ValueError, match="shorter or longer"):
            read_npz(stream)


def test_threads_read_headers_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, real = threading.Semaphore(1), [], np.lib.format.read_array_header_1_0

    def watched(stream: Any) -> Any:
        most.append(inside.acquire(blocking=False))
        time.sleep(0.002)
        try:
            return real(stream)
        finally:
            inside.release()

    monkeypatch.setattr(np.lib.format, "read_array_header_1_0", watched)
    content = saved(one=np.zeros(3), two=np.ones(2))
    with ThreadPoolExecutor(4) as threads:
        for read in threads.map(lambda _: read_npz(io.BytesIO(content)), range(8)):
            assert set(read) == {"one", "two"}
    assert most == [True] * 16
