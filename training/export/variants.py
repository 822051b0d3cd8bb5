"""Smaller forms of a graph: half-precision weights, and eight-bit integers by static quantisation."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Precision = Literal["fp16", "int8"]
SMALLEST_HALVED = 64
"""Values; shorter constants stay as they are."""


def variant_name(precision: Precision) -> str:
    """Its file name in a bundle."""
    return f"model.{precision}.onnx"


def make_variant(
    graph: bytes, precision: Precision, crops: NDArray[np.uint8], operators: Sequence[str] | None = None
) -> bytes:
    """A variant of a graph; ``crops`` (N, height, width, 3) are what integers are calibrated on.

    Args:
        operators: which become integers, as ``("Conv",)``; all that can if left out.
    """
    return half_weights(graph) if precision == "fp16" else quantised(graph, crops, operators)


def half_weights(graph: bytes) -> bytes:
    """Weights in half precision, made single again when the graph is opened: half the file, the same speed."""
    model = onnx.load_from_string(graph)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= SMALLEST_HALVED:
            name = tensor.name
            half = numpy_helper.from_array(np.clip(values, -65504, 65504).astype(np.float16), f"{name}.half")
            tensor.CopyFrom(half)
            casts.append(helper.make_node("Cast", [half.name], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def quantised(graph: bytes, crops: NDArray[np.uint8], operators: Sequence[str] | None = None) -> bytes:
    """All that can (or ``operators``) in eight-bit integers: weights per channel, activations by their range on crops.

    Source: ONNX Runtime, "Quantize ONNX models": static, QDQ.

    Raises:
        ValueError: if there are no crops.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not len(crops):
        raise ValueError("eight-bit integers need pictures to be calibrated on")

    class Crops(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(crops)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            crop = next(self._left, None)
            return None if crop is None else {"image": crop[None]}

    with tempfile.TemporaryDirectory() as folder, quiet():
        plain, prepared, done = (str(Path(folder) / f"{name}.onnx") for name in ("plain", "prepared", "done"))
        Path(plain).write_bytes(graph)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            done,
            Crops(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=None if operators is None else list(operators),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return Path(done).read_bytes()


@contextmanager
def quiet() -> Iterator[None]:
    """The quantiser recommends, to the root logger, what is done here."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
