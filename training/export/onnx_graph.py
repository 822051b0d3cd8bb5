"""The embedding network as ONNX: uint8 pictures in, unit embeddings or packed bits out."""

import io
import time
import warnings
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from kenspeckle.bits import bit_similarities, unit_codes
from training.export.network import Output

OPSET = 18


def export_onnx(network: nn.Module, width: int, height: int | None = None, output: Output = "embedding") -> bytes:
    """``image`` uint8 (batch, height, width, 3) RGB -> ``output`` (batch, …), with a free batch size.

    Args:
        network: from such pictures to embeddings or bits, scaling and norms inside.
        height: ``width`` if None.

    Raises:
        onnx.checker.ValidationError: if the exporter made an invalid graph.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter leaves no source paths in the file; it announces its age.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, height or width, width, 3, dtype=torch.uint8),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=[output],
            dynamic_axes={"image": {0: "batch"}, output: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load_from_string(buffer.getvalue())
    graph.producer_name, graph.producer_version = "kenspeckle", ""
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString())


def open_graph(content: bytes) -> Any:
    """A session of ONNX Runtime on one thread of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run_onnx(content: bytes, images: NDArray[np.uint8], batch: int = 8) -> NDArray[Any]:
    """The only output of a graph for ``images``."""
    session = open_graph(content)
    parts = [session.run(None, {"image": images[i : i + batch]})[0] for i in range(0, len(images), batch)]
    return np.concatenate(parts)


def agreement(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Smallest cosine of corresponding embeddings; of packed bits, smallest share of equal bits."""
    if first.dtype == np.uint8:
        return float(np.diag(bit_similarities(unit_codes(first), unit_codes(second))).min())
    return float((first * second).sum(axis=1).min())


def time_ratio(graph: bytes, variant: bytes, image: NDArray[np.uint8], rounds: int = 15) -> float:
    """Processor time of a variant as a share of the graph's: medians of runs in turns, one thread, one picture."""
    sessions = [open_graph(content) for content in (graph, variant)]
    times: list[list[float]] = [[], []]
    for _ in range(rounds + 1):
        for session, taken in zip(sessions, times, strict=True):
            before = time.process_time()
            session.run(None, {"image": image[None]})
            taken.append(time.process_time() - before)
    first, second = (float(np.median(taken[1:])) for taken in times)
    return second / max(first, 1e-9)


def parity(network: nn.Module, content: bytes, images: NDArray[np.uint8]) -> float:
    """``agreement`` of what the network and its graph give for pictures."""
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    return agreement(expected, run_onnx(content, images))
