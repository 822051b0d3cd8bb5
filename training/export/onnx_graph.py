"""The embedding network as ONNX: uint8 pictures in, unit embeddings out."""

import io
import warnings
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from training.recmodel.shipped import ShippedExtractor

OPSET = 18


def export_onnx(model: ShippedExtractor, size: int) -> bytes:
    """``image`` uint8 (batch, size, size, 3) RGB -> ``embedding`` float32 (batch, dim), scaling and norms inside."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter leaves no source paths in the file; it announces its age.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=["embedding"],
            dynamic_axes={"image": {0: "batch"}, "embedding": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load_from_string(buffer.getvalue())
    graph.producer_name, graph.producer_version = "kenspeckle", ""
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString())


def run_onnx(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embeddings of ``images`` by ONNX Runtime on the CPU."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["embedding"], {"image": images})[0])


def parity(model: ShippedExtractor, content: bytes, images: NDArray[np.uint8]) -> float:
    """Smallest cosine between the network's and the graph's embedding of a picture."""
    with torch.inference_mode():
        expected = model(torch.from_numpy(images)).numpy()
    return float((expected * run_onnx(content, images)).sum(axis=1).min())
