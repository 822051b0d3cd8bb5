import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.importers.paddle_writer import pdiparams, tensor_record
from training.importers.paddle_files import MAX_FILE_BYTES, read_info, read_pdiparams, read_pdparams
from training.importers.pickled import NotAWeightFile

TENSORS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(300, np.float32), np.float32(7).reshape(())]


def written(folder: Path, data: bytes, name: str = "x.pdparams") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_pdparams_gives_arrays_and_internal_names(tmp_path: Path) -> None:
    table = {"conv.weight": "conv2d_0.w_0"}
    content = {"conv.weight": TENSORS[0], "StructuredToParameterName@@": table}
    params = read_pdparams(written(tmp_path, pickle.dumps(content, protocol=4)))
    assert list(params.arrays) == ["conv.weight"]
    np.testing.assert_array_equal(params.arrays["conv.weight"], TENSORS[0])
    assert params.internal == table


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([TENSORS[0]], "no dictionary"),
        ({"epoch": 3}, "'epoch' is not an array; is this a .pdopt"),
        ({"StructuredToParameterName@@": {"a": 1}}, "table of internal names"),
        ({"StructuredToParameterName@@": "a"}, "table of internal names"),
    ],
)
def test_other_pickles_are_refused_with_path_and_reason(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(NotAWeightFile, match=rf"x\.pdparams: .*{message}"):
        read_pdparams(written(tmp_path, pickle.dumps(content, protocol=4)))


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(NotAWeightFile, match="bytes are more than"):
        read_pdparams(path)


@pytest.mark.parametrize("packed", [False, True])
def test_pdiparams_gives_the_tensors_in_order(tmp_path: Path, packed: bool) -> None:
    data = b"".join(tensor_record(tensor, packed=packed) for tensor in TENSORS)
    tensors = read_pdiparams(written(tmp_path, data))
    assert len(tensors) == 3
    for tensor, expected in zip(tensors, TENSORS, strict=True):
        np.testing.assert_array_equal(tensor, expected)
        assert tensor.dtype == np.float32


def test_pdiparams_knows_other_number_types(tmp_path: Path) -> None:
    data = tensor_record(np.array([1, -2], np.int64), 3) + tensor_record(np.array([0.5], np.float16), 4)
    first, second = read_pdiparams(written(tmp_path, data))
    assert (first.tolist(), second.tolist(), second.dtype) == ([1, -2], [0.5], np.float16)


RECORD = tensor_record(TENSORS[0])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\x80\x04}.", "cut off in tensor 0"),
        (b"\x01" + RECORD[1:], "known version"),
        (RECORD[:16] + b"\xff\xff\xff\x7f" + RECORD[20:], "description of 2147483647 bytes"),
        (RECORD[:16] + b"\xff\xff\xff\xff" + RECORD[20:], "description of -1 bytes"),
        (RECORD.replace(b"\x08\x05\x10\x02", b"\x08\x07\x10\x02"), "type 7 are not read"),
        (RECORD.replace(b"\x10\x02\x10\x03", b"\x10\x02\x10\x7f"), r"shape \(2, 127\) goes beyond the end"),
        (RECORD.replace(b"\x10\x02\x10\x03", b"\x10\x00\x10\x03"), r"shape \(0, 3\)"),
        (RECORD.replace(b"\x10\x02\x10\x03", b"\x18\x02\x10\x03"), "unknown fields"),
        (RECORD + RECORD[:30], r"goes beyond the end \(tensor 1, byte 50\)"),
    ],
)
def test_broken_pdiparams_are_refused_with_the_reason(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(NotAWeightFile, match=message):
        read_pdiparams(written(tmp_path, data, "x.pdiparams"))


WHOLE = pdiparams(TENSORS)
ENDS = [len(pdiparams(TENSORS[:count])) for count in range(4)]


@given(st.integers(0, len(WHOLE) - 1))
def test_truncated_pdiparams_are_refused_unless_a_tensor_ends_there(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = written(tmp_path_factory.getbasetemp(), WHOLE[:length], "cut.pdiparams")
    if length in ENDS[1:]:
        assert len(read_pdiparams(path)) == ENDS.index(length)
    else:
        with pytest.raises(NotAWeightFile):
            read_pdiparams(path)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_changed_pdiparams_are_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    data = bytearray(WHOLE)
    data[position] = value
    path = written(tmp_path_factory.getbasetemp(), bytes(data), "changed.pdiparams")
    try:
        tensors = read_pdiparams(path)
    except NotAWeightFile:
        return
    assert sum(tensor.nbytes for tensor in tensors) <= len(data)


def test_the_names_beside_an_inference_file_are_read(tmp_path: Path) -> None:
    noted = {
        "conv2d_0.w_0": {"structured_name": "base_model.conv.weight", "stop_gradient": False, "trainable": True},
        "buffer_0": {"stop_gradient": True},
    }
    names = read_info(written(tmp_path, pickle.dumps(noted, protocol=2), "x.pdiparams.info"))
    assert names == {"base_model.conv.weight": "conv2d_0.w_0", "buffer_0": "buffer_0"}
    with pytest.raises(NotAWeightFile, match=r"'conv2d_0\.w_0' has no structured name"):
        read_info(written(tmp_path, pickle.dumps({"conv2d_0.w_0": 3}, protocol=2), "x.pdiparams.info"))
